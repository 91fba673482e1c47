//! The name server on every gateway address.
