//! What the VCH has decided: networks, addresses, names.
