//! `sqfstar` 4.5 gives the root directory to the user who runs it. Its owner is written into the finished file:
//! the inode and the table of IDs are not compressed (squashfs_fs.h: squashfs_super_block,
//! squashfs_dir_inode; all numbers little-endian).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0x7371_7368;
/// A block of metadata begins with its length; this bit says that it is not compressed.
const PLAIN: u16 = 1 << 15;
/// IDs in the first block of their table.
const IDS: u16 = 2048;

/// Sets the owner of a squashfs' root directory. `spare` is an ID that no file of the image has: its position in the
/// table is used for an owner that has none.
///
/// # Errors
/// Returns an error if the file can't be read or written, or is not such a squashfs.
pub(super) fn set(file: &File, owner: [u32; 2], spare: Option<u32>) -> io::Result<()> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let ids_at = long(file, long(file, 48)?)? + 2;
    let inode = long(file, 32)?;
    let inode_at = long(file, 64)? + (inode >> 16);
    let plain = short(file, ids_at - 2)? & short(file, inode_at)? & PLAIN != 0;
    if word(file, 0)? != MAGIC || !plain {
        return Err(wrong("it is no squashfs with plain inodes"));
    }
    let mut ids = Vec::new();
    for n in 0..short(file, 26)?.min(IDS) {
        ids.push(word(file, ids_at + 4 * u64::from(n))?);
    }
    let mut spare = spare.and_then(|spare| ids.iter().position(|id| *id == spare));
    // Behind the block's length, the inode's kind and its mode: two positions in the table.
    let mut at = inode_at + 2 + (inode & 0xffff) + 4;
    for id in owner {
        let position = match ids.iter().position(|have| *have == id) {
            Some(position) => position,
            None => {
                let position = spare.take();
                let position =
                    position.ok_or(wrong("its root folder's owners own nothing else"))?;
                file.write_all_at(&id.to_le_bytes(), ids_at + 4 * position as u64)?;
                ids[position] = id;
                position
            }
        };
        let position = u16::try_from(position).map_err(io::Error::other)?;
        file.write_all_at(&position.to_le_bytes(), at)?;
        at += 2;
    }
    Ok(())
}

fn short(file: &File, at: u64) -> io::Result<u16> {
    read(file, at).map(u16::from_le_bytes)
}

fn word(file: &File, at: u64) -> io::Result<u32> {
    read(file, at).map(u32::from_le_bytes)
}

fn long(file: &File, at: u64) -> io::Result<u64> {
    read(file, at).map(u64::from_le_bytes)
}

fn read<const N: usize>(file: &File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
