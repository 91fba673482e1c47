use super::*;

const A: NetworkId = NetworkId(1);
const B: NetworkId = NetworkId(2);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn table() -> Names {
    Names::new(Policy::default()).unwrap()
}

#[test]
fn publishing_and_withdrawing_twice_change_nothing_the_second_time() {
    let names = table();
    let web = name("web");
    assert!(names.publish(A, &web, ip("10.0.0.2"), None));
    assert!(!names.publish(A, &web, ip("10.0.0.2"), None));
    assert!(names.publish(A, &web, ip("10.0.0.2"), Some(&name("web.a"))));
    assert!(!names.publish(A, &web, ip("10.0.0.2"), Some(&name("web.a"))));
    assert!(names.withdraw(A, &web, ip("10.0.0.2")));
    assert!(!names.withdraw(A, &web, ip("10.0.0.2")));
    assert!(!names.withdraw(B, &web, ip("10.0.0.2")));
    assert!(names.is_empty());
    assert!(names.by_address.is_empty());
}

#[test]
fn withdrawing_one_of_two_addresses_leaves_the_other() {
    let names = table();
    let web = name("web");
    names.publish(A, &web, ip("10.0.0.2"), None);
    names.publish(A, &web, ip("fd00::2"), None);
    names.withdraw(A, &web, ip("10.0.0.2"));
    let left = names.addresses(&Scope::One(A), web.as_wire(), |found, _| {
        (found.v4.len(), found.v6.len())
    });
    assert_eq!(left, Some((0, 1)));
}

#[test]
fn an_address_without_ptr_names_answers_with_all_its_names() {
    let names = table();
    names.publish(A, &name("web"), ip("10.0.0.2"), None);
    names.publish(A, &name("alias"), ip("10.0.0.2"), None);
    let found = names.pointers(&Scope::One(A), ip("10.0.0.2")).unwrap();
    assert_eq!(found.0, [name("web"), name("alias")]);
    names.publish(A, &name("web"), ip("10.0.0.2"), Some(&name("web.a")));
    let found = names.pointers(&Scope::One(A), ip("10.0.0.2")).unwrap();
    assert_eq!(found.0, [name("web.a")]);
}

#[test]
fn declaring_a_network_again_replaces_its_subnets() {
    let names = table();
    let declare = |subnet: &str| {
        let subnets = vec![subnet.parse().unwrap()];
        names
            .declare_network(
                A,
                Network {
                    subnets,
                    ..Network::default()
                },
            )
            .unwrap();
    };
    declare("10.1.0.0/16");
    declare("10.2.0.0/16");
    assert!(!names.owns("10.1.0.5/32".parse().unwrap()));
    assert!(names.owns("10.2.0.5/32".parse().unwrap()));
    declare("10.2.0.0/16");
    assert!(names.owns("10.2.0.5/32".parse().unwrap()));
    assert!(names.forget_network(A));
    assert!(!names.forget_network(A));
    assert!(!names.owns("10.2.0.5/32".parse().unwrap()));
}

#[test]
fn settings_over_their_bounds_are_refused() {
    let ttl = Duration::from_secs(11);
    let refused = Names::new(Policy {
        ttl,
        ..Policy::default()
    });
    assert_eq!(refused.unwrap_err(), NamesError::Ttl { ttl });
    let names = table();
    for ttl in [Duration::from_secs(86_401), Duration::from_millis(1_500)] {
        let network = Network {
            ttl: Some(ttl),
            ..Network::default()
        };
        let refused = names.declare_network(A, network).unwrap_err();
        assert_eq!(refused, NamesError::NetworkTtl { ttl });
    }
    let none = names
        .set_asker(A, ip("10.0.0.2"), &View::of(&[]))
        .unwrap_err();
    assert!(matches!(none, NamesError::AskerNetworks { count: 0, .. }));
    let many = [B; Names::MAX_ASKER_NETWORKS + 1];
    assert!(
        names
            .set_asker(A, ip("10.0.0.2"), &View::of(&many))
            .is_err()
    );
    let subnets = vec!["10.0.0.0/8".parse().unwrap(); Names::MAX_SUBNETS + 1];
    let network = Network {
        subnets,
        ..Network::default()
    };
    assert!(names.declare_network(A, network).is_err());
}

#[test]
fn a_name_that_moves_is_never_without_an_address() {
    let names = table();
    let web = name("web");
    let (here, there) = (ip("10.0.0.2"), ip("10.0.0.3"));
    names.publish(A, &web, here, None);
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            for _ in 0..2000 {
                for (to, from) in [(there, here), (here, there)] {
                    names.publish(A, &web, to, None);
                    names.withdraw(A, &web, from);
                }
            }
        });
        while !mover.is_finished() {
            let count = names.addresses(&Scope::One(A), web.as_wire(), |found, _| found.v4.len());
            assert!(matches!(count, Some(1 | 2)), "{count:?}");
        }
    });
    assert_eq!((names.len(), names.by_address.len()), (1, 1));
}

#[test]
fn an_alias_answers_and_leaves_the_reverse_name_as_it_is() {
    let names = Names::new(Policy::default()).unwrap();
    let (alias, at) = ("db".parse().unwrap(), ip("10.0.0.9"));
    assert!(names.publish_alias(A, &alias, at));
    assert!(!names.publish_alias(A, &alias, at));
    let scope = Scope::One(A);
    let known = |wire: &[u8]| names.addresses(&scope, wire, |found, _| found.v4.len());
    assert_eq!(known(alias.as_wire()), Some(1));
    assert_eq!(names.pointers(&scope, at), None);
    assert!(names.withdraw(A, &alias, at));
    assert_eq!(known(alias.as_wire()), None);
}
