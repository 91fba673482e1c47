//! Makes the bootstrap image and the QEMU command line that boots it.
