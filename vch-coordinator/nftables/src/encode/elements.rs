//! Encodes an element of a set or map as attributes.

use crate::abi::{self, data, element};
use crate::compile::write_verdict;
use crate::datum::Datum;
use crate::set::{Data, Element, Key, Set};
use crate::wire::Writer;

/// Appends the element to a list that the caller has opened.
pub(crate) fn write_element(w: &mut Writer, set: &Set, element: &Element) {
    let concatenated = set.key.len() > 1;
    match &element.key {
        Key::Exact(key) => write_one(w, &joined(key), None, element.data.as_ref()),
        Key::Range { first, last } if concatenated => {
            let end = joined(last);
            write_one(w, &joined(first), Some(&end), element.data.as_ref());
        }
        Key::Range { first, last } => {
            // The kernel's tree holds where a range begins and where the next gap does.
            let gap = successor(joined(last));
            write_one(w, &joined(first), None, element.data.as_ref());
            if let Some(gap) = gap {
                w.nested(abi::LIST_ELEM, |w| {
                    w.u32(element::FLAGS, element::F_INTERVAL_END);
                    w.nested(element::KEY, |w| w.raw(data::VALUE, &gap));
                });
            }
        }
    }
}

fn write_one(w: &mut Writer, key: &[u8], end: Option<&[u8]>, element_data: Option<&Data>) {
    w.nested(abi::LIST_ELEM, |w| {
        w.nested(element::KEY, |w| w.raw(data::VALUE, key));
        if let Some(end) = end {
            w.nested(element::KEY_END, |w| w.raw(data::VALUE, end));
        }
        match element_data {
            None => {}
            Some(Data::Values(values)) => {
                w.nested(element::DATA, |w| w.raw(data::VALUE, &joined(values)));
            }
            Some(Data::Verdict(verdict)) => {
                w.nested(element::DATA, |w| write_verdict(w, verdict));
            }
        }
    });
}

/// Joins values: one field as it is, several each padded to whole registers.
fn joined(values: &[Datum]) -> Vec<u8> {
    match values {
        [one] => one.bytes(),
        many => many.iter().flat_map(Datum::padded).collect(),
    }
}

/// Returns the next key; `None` behind the highest.
fn successor(mut key: Vec<u8>) -> Option<Vec<u8>> {
    for byte in key.iter_mut().rev() {
        let (next, carried) = byte.overflowing_add(1);
        *byte = next;
        if !carried {
            return Some(key);
        }
    }
    None
}
