//! nf_tables by netlink: batches are plain values.
