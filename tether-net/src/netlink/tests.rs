use super::*;
use netlink_packet_route::link::LinkMessage;

fn links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

#[tokio::test]
async fn a_failed_connection_is_no_empty_answer_and_the_next_request_has_a_new_one() {
    let mut netlink = Netlink::open().unwrap();
    assert!(!netlink.dump(links).await.unwrap().is_empty());

    // It ends before it has sent what waits.
    let mut answers = netlink.ask(links(), NLM_F_DUMP).unwrap();
    netlink.connection.abort();
    assert!(answers.next().await.is_none());
    assert!(!netlink.dump(links).await.unwrap().is_empty());

    netlink.connection.abort();
    assert!(matches!(
        netlink.dump(links).await,
        Err(NetlinkError::Ended)
    ));
    assert!(!netlink.dump(links).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_is_its_errno() {
    let mut netlink = Netlink::open().unwrap();
    let mut message = LinkMessage::default();
    message.header.index = i32::MAX.cast_unsigned();
    let refused = netlink
        .request(RouteNetlinkMessage::NewLink(message), 0)
        .await;
    assert!(matches!(refused, Err(NetlinkError::Refused(Errno::ENODEV))));
}
