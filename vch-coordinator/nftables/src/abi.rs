//! Numbers of the kernel's interface, each group under the name of its enum.
//!
//! Source, unless a group says otherwise: `linux/netfilter/nf_tables.h`.

/// `linux/netfilter/nfnetlink.h`: subsystem, batch messages, groups.
pub(crate) mod nfnetlink {
    pub(crate) const SUBSYS_CTNETLINK: u16 = 1;
    pub(crate) const SUBSYS_NFTABLES: u16 = 10;
    pub(crate) const MSG_BATCH_BEGIN: u16 = 0x10;
    pub(crate) const MSG_BATCH_END: u16 = 0x11;
    pub(crate) const GROUP_NFTABLES: u32 = 7;
    /// The length in bytes of `struct nfgenmsg`: family, version, big-endian resource.
    pub(crate) const GENMSG_LENGTH: usize = 4;
}

/// `linux/netlink.h`: message types, flags, socket options, `enum nlmsgerr_attrs`.
pub(crate) mod netlink {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    pub(crate) const F_REQUEST: u16 = 0x1;
    pub(crate) const F_ACK: u16 = 0x4;
    pub(crate) const F_DUMP_INTERRUPTED: u16 = 0x10;
    pub(crate) const F_DUMP: u16 = 0x300;
    pub(crate) const F_CREATE: u16 = 0x400;
    pub(crate) const F_APPEND: u16 = 0x800;
    /// The flag of an answer that quotes only the header of the refused request (`NLM_F_CAPPED`).
    pub(crate) const F_CAPPED: u16 = 0x100;
    pub(crate) const F_ACK_TLVS: u16 = 0x200;
    pub(crate) const ERROR_MESSAGE: u16 = 1;
    pub(crate) const HEADER_LENGTH: usize = 16;
}

/// `linux/netfilter/nfnetlink_conntrack.h`: `enum cntl_msg_types`, `ctattr_type`, `ctattr_tuple`,
/// `ctattr_ip`, `ctattr_l4proto`, `ctattr_filter`; flags of a filter: `CTA_FILTER_F_*` of the
/// kernel's `net/netfilter/nf_internals.h`; `IPS_DST_NAT` of `nf_conntrack_common.h`.
pub(crate) mod conntrack {
    pub(crate) const NEW: u8 = 0;
    pub(crate) const GET: u8 = 1;
    pub(crate) const DELETE: u8 = 2;
    pub(crate) const TUPLE_ORIGINAL: u16 = 1;
    pub(crate) const TUPLE_REPLY: u16 = 2;
    pub(crate) const STATUS: u16 = 3;
    pub(crate) const ID: u16 = 12;
    pub(crate) const ZONE: u16 = 18;
    pub(crate) const FILTER: u16 = 25;
    pub(crate) const STATUS_MASK: u16 = 26;
    pub(crate) const TUPLE_IP: u16 = 1;
    pub(crate) const TUPLE_PROTO: u16 = 2;
    pub(crate) const IP_V4_SOURCE: u16 = 1;
    pub(crate) const IP_V4_DESTINATION: u16 = 2;
    pub(crate) const IP_V6_SOURCE: u16 = 3;
    pub(crate) const IP_V6_DESTINATION: u16 = 4;
    pub(crate) const PROTO_NUMBER: u16 = 1;
    pub(crate) const PROTO_SOURCE_PORT: u16 = 2;
    pub(crate) const PROTO_DESTINATION_PORT: u16 = 3;
    pub(crate) const FILTER_ORIGINAL: u16 = 1;
    pub(crate) const FILTER_REPLY: u16 = 2;
    pub(crate) const BY_IP_SOURCE: u32 = 1;
    pub(crate) const BY_PROTO_NUMBER: u32 = 1 << 3;
    pub(crate) const BY_PROTO_DESTINATION_PORT: u32 = 1 << 5;
    pub(crate) const STATUS_DNAT: u32 = 1 << 5;
}

/// Constants of `enum nf_tables_msg_types`.
pub(crate) mod message {
    pub(crate) const NEW_TABLE: u8 = 0;
    pub(crate) const GET_TABLE: u8 = 1;
    pub(crate) const DELETE_TABLE: u8 = 2;
    pub(crate) const NEW_CHAIN: u8 = 3;
    pub(crate) const GET_CHAIN: u8 = 4;
    pub(crate) const DELETE_CHAIN: u8 = 5;
    pub(crate) const NEW_RULE: u8 = 6;
    pub(crate) const GET_RULE: u8 = 7;
    pub(crate) const DELETE_RULE: u8 = 8;
    pub(crate) const NEW_SET: u8 = 9;
    pub(crate) const GET_SET: u8 = 10;
    pub(crate) const DELETE_SET: u8 = 11;
    pub(crate) const NEW_ELEMENT: u8 = 12;
    pub(crate) const GET_ELEMENT: u8 = 13;
    pub(crate) const DELETE_ELEMENT: u8 = 14;
}

/// Constants of `enum nft_list_attributes`.
pub(crate) const LIST_ELEM: u16 = 1;
/// The longest name in bytes: `NFT_NAME_MAXLEN` less the closing NUL.
pub(crate) const NAME_MAX: usize = 255;
/// The number of the first data register: `NFT_REG32_00` of `enum nft_registers`.
pub(crate) const REGISTER_FIRST: u32 = 8;
/// The number of the verdict's register: `NFT_REG_VERDICT`.
pub(crate) const REGISTER_VERDICT: u32 = 0;
/// The size of a register in bytes: `NFT_REG32_SIZE`.
pub(crate) const REGISTER_SIZE: usize = 4;
/// The longest key in bytes: `NFT_REG32_COUNT` registers of `NFT_REG32_SIZE`.
pub(crate) const KEY_MAX: usize = 64;

/// Constants of `enum nft_table_attributes`.
pub(crate) mod table {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const FLAGS: u16 = 2;
    /// The flag of a table that is switched off: `NFT_TABLE_F_DORMANT`.
    pub(crate) const F_DORMANT: u32 = 0x1;
}

/// Constants of `enum nft_chain_attributes`.
pub(crate) mod chain {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const TYPE: u16 = 7;
}

/// Constants of `enum nft_hook_attributes`.
pub(crate) mod hook {
    pub(crate) const NUMBER: u16 = 1;
    pub(crate) const PRIORITY: u16 = 2;
}

/// Constants of `enum nft_rule_attributes`; comments are nft's own record in the user data
/// (`NFTNL_UDATA_RULE_COMMENT` of libnftnl's `udata.h`).
pub(crate) mod rule {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const HANDLE: u16 = 3;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const USERDATA: u16 = 7;
    pub(crate) const USERDATA_COMMENT: u8 = 0;
}

/// Constants of `enum nft_set_attributes`, `nft_set_flags`, `nft_set_desc_attributes`, `nft_set_field_attributes`;
/// the byte orders are nft's own records in the user data (`NFTNL_UDATA_SET_*` of libnftnl's
/// `udata.h`, `enum byteorder` of nft's `datatype.h`).
pub(crate) mod set {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LEN: u16 = 5;
    pub(crate) const DATA_TYPE: u16 = 6;
    pub(crate) const DATA_LEN: u16 = 7;
    pub(crate) const DESC: u16 = 9;
    pub(crate) const ID: u16 = 10;
    pub(crate) const USERDATA: u16 = 13;
    pub(crate) const USERDATA_KEY_ORDER: u8 = 0;
    pub(crate) const USERDATA_DATA_ORDER: u8 = 1;
    pub(crate) const ORDER_NONE: u32 = 0;
    pub(crate) const ORDER_HOST: u32 = 1;
    pub(crate) const ORDER_NETWORK: u32 = 2;
    pub(crate) const DESC_SIZE: u16 = 1;
    pub(crate) const DESC_CONCAT: u16 = 2;
    pub(crate) const FIELD_LEN: u16 = 1;
    pub(crate) const F_ANONYMOUS: u32 = 0x1;
    pub(crate) const F_INTERVAL: u32 = 0x4;
    pub(crate) const F_MAP: u32 = 0x8;
    pub(crate) const F_TIMEOUT: u32 = 0x10;
    pub(crate) const F_EVAL: u32 = 0x20;
    pub(crate) const F_CONCAT: u32 = 0x80;
}

/// Constants of `enum nft_set_elem_list_attributes`, `nft_set_elem_attributes`, `nft_set_elem_flags`.
pub(crate) mod element {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const SET: u16 = 2;
    pub(crate) const ELEMENTS: u16 = 3;
    pub(crate) const KEY: u16 = 1;
    pub(crate) const DATA: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_END: u16 = 10;
    pub(crate) const F_INTERVAL_END: u32 = 0x1;
    pub(crate) const F_CATCHALL: u32 = 0x2;
}

/// Constants of `enum nft_data_types`, `nft_data_attributes`, `nft_verdict_attributes`.
pub(crate) mod data {
    pub(crate) const TYPE_VERDICT: u32 = 0xffff_ff00;
    pub(crate) const VALUE: u16 = 1;
    pub(crate) const VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
}

/// Constants of `enum nft_verdicts`, and `NF_DROP`, `NF_ACCEPT` of `linux/netfilter.h`.
pub(crate) mod verdict {
    pub(crate) const DROP: i32 = 0;
    pub(crate) const ACCEPT: i32 = 1;
    pub(crate) const CONTINUE: i32 = -1;
    pub(crate) const JUMP: i32 = -3;
    pub(crate) const GOTO: i32 = -4;
    pub(crate) const RETURN: i32 = -5;
}

/// Constants of `enum nft_expr_attributes` and those of each expression that is used here.
pub(crate) mod expr {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DATA: u16 = 2;

    /// Constants of `enum nft_immediate_attributes`.
    pub(crate) const IMMEDIATE_DREG: u16 = 1;
    pub(crate) const IMMEDIATE_DATA: u16 = 2;

    /// Constants of `enum nft_bitwise_attributes`.
    pub(crate) const BITWISE_SREG: u16 = 1;
    pub(crate) const BITWISE_DREG: u16 = 2;
    pub(crate) const BITWISE_LEN: u16 = 3;
    pub(crate) const BITWISE_MASK: u16 = 4;
    pub(crate) const BITWISE_XOR: u16 = 5;

    /// Constants of `enum nft_cmp_attributes`, `nft_cmp_ops`.
    pub(crate) const CMP_SREG: u16 = 1;
    pub(crate) const CMP_OP: u16 = 2;
    pub(crate) const CMP_DATA: u16 = 3;
    pub(crate) const CMP_EQ: u32 = 0;
    pub(crate) const CMP_NEQ: u32 = 1;
    pub(crate) const CMP_LTE: u32 = 3;
    pub(crate) const CMP_GTE: u32 = 5;

    /// Constants of `enum nft_lookup_attributes`, `nft_lookup_flags`.
    pub(crate) const LOOKUP_SET: u16 = 1;
    pub(crate) const LOOKUP_SREG: u16 = 2;
    pub(crate) const LOOKUP_DREG: u16 = 3;
    pub(crate) const LOOKUP_FLAGS: u16 = 5;
    pub(crate) const LOOKUP_F_INVERTED: u32 = 1;

    /// Constants of `enum nft_dynset_attributes`, `nft_dynset_ops`.
    pub(crate) const DYNSET_SET: u16 = 1;
    pub(crate) const DYNSET_OP: u16 = 3;
    pub(crate) const DYNSET_SREG_KEY: u16 = 4;
    pub(crate) const DYNSET_TIMEOUT: u16 = 6;
    pub(crate) const DYNSET_EXPR: u16 = 7;
    pub(crate) const DYNSET_ADD: u32 = 0;
    pub(crate) const DYNSET_UPDATE: u32 = 1;

    /// Constants of `enum nft_connlimit_attributes`, `nft_connlimit_flags`.
    pub(crate) const CONNLIMIT_COUNT: u16 = 1;
    pub(crate) const CONNLIMIT_FLAGS: u16 = 2;
    pub(crate) const CONNLIMIT_F_INV: u32 = 1;

    /// Constants of `enum nft_payload_attributes`, `nft_payload_bases`.
    pub(crate) const PAYLOAD_DREG: u16 = 1;
    pub(crate) const PAYLOAD_BASE: u16 = 2;
    pub(crate) const PAYLOAD_OFFSET: u16 = 3;
    pub(crate) const PAYLOAD_LEN: u16 = 4;
    pub(crate) const PAYLOAD_LINK: u32 = 0;
    pub(crate) const PAYLOAD_NETWORK: u32 = 1;
    pub(crate) const PAYLOAD_TRANSPORT: u32 = 2;

    /// Constants of `enum nft_meta_attributes`, `nft_meta_keys`.
    pub(crate) const META_DREG: u16 = 1;
    pub(crate) const META_KEY: u16 = 2;
    pub(crate) const META_SREG: u16 = 3;
    pub(crate) const META_PROTOCOL: u32 = 1;
    pub(crate) const META_MARK: u32 = 3;
    pub(crate) const META_IIFNAME: u32 = 6;
    pub(crate) const META_OIFNAME: u32 = 7;
    pub(crate) const META_IIFTYPE: u32 = 8;
    pub(crate) const META_NFPROTO: u32 = 15;
    pub(crate) const META_L4PROTO: u32 = 16;

    /// Constants of `enum nft_ct_attributes`, `nft_ct_keys`.
    pub(crate) const CT_DREG: u16 = 1;
    pub(crate) const CT_KEY: u16 = 2;
    pub(crate) const CT_DIRECTION_ATTRIBUTE: u16 = 3;
    pub(crate) const CT_STATE: u32 = 0;
    pub(crate) const CT_DIRECTION: u32 = 1;
    pub(crate) const CT_STATUS: u32 = 2;
    pub(crate) const CT_MARK: u32 = 3;
    pub(crate) const CT_PROTO_DST: u32 = 12;
    pub(crate) const CT_SRC_IP: u32 = 19;
    pub(crate) const CT_DST_IP: u32 = 20;
    pub(crate) const CT_SRC_IP6: u32 = 21;
    pub(crate) const CT_DST_IP6: u32 = 22;

    /// Constants of `enum nft_fib_attributes`, `nft_fib_result`, `nft_fib_flags`.
    pub(crate) const FIB_DREG: u16 = 1;
    pub(crate) const FIB_RESULT: u16 = 2;
    pub(crate) const FIB_FLAGS: u16 = 3;
    pub(crate) const FIB_RESULT_ADDRTYPE: u32 = 3;
    pub(crate) const FIB_F_SADDR: u32 = 1;
    pub(crate) const FIB_F_DADDR: u32 = 2;

    /// Constants of `enum nft_exthdr_attributes`; `IPPROTO_FRAGMENT` of `linux/in6.h`.
    pub(crate) const EXTHDR_DREG: u16 = 1;
    pub(crate) const EXTHDR_TYPE: u16 = 2;
    pub(crate) const EXTHDR_OFFSET: u16 = 3;
    pub(crate) const EXTHDR_LEN: u16 = 4;
    pub(crate) const EXTHDR_FRAGMENT: u8 = 44;

    /// Constants of `enum nft_log_attributes`.
    pub(crate) const LOG_PREFIX: u16 = 2;

    /// Constants of `enum nft_reject_attributes`, `nft_reject_types`.
    pub(crate) const REJECT_TYPE: u16 = 1;
    pub(crate) const REJECT_CODE: u16 = 2;
    pub(crate) const REJECT_ICMP_UNREACH: u32 = 0;
    pub(crate) const REJECT_TCP_RST: u32 = 1;
    pub(crate) const REJECT_ICMPX_UNREACH: u32 = 2;

    /// Constants of `enum nft_nat_attributes`, `nft_nat_types`.
    pub(crate) const NAT_TYPE: u16 = 1;
    pub(crate) const NAT_FAMILY: u16 = 2;
    pub(crate) const NAT_REG_ADDR_MIN: u16 = 3;
    pub(crate) const NAT_REG_PROTO_MIN: u16 = 5;
    pub(crate) const NAT_SNAT: u32 = 0;
    pub(crate) const NAT_DNAT: u32 = 1;
}
