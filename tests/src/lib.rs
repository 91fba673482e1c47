//! The lab: namespaces, VMs and peers for tests.
