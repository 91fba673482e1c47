//! Parses ports in Docker's form: `[address:][host[-host]:]container[-container][/protocol]`.

use super::{ApiError, Parsed};
use ipnet::IpNet;
use std::{
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
};
use vch_ledger::{ContainerPort, PortNumber, Protocol, Publish};

/// The maximum number of ports in one range.
const MAX_RANGE: usize = 1_024;

const REMEDY: &str = "write [address:][host port:]container port[/protocol], as in 80, 8080:80, 192.0.2.7:8080:80/udp, [2001:db8::7]:8080:80 or 8000-8010:80-90";

/// Parses the text of a port to publish, such as `8080:80/tcp`. A range gives one port for each of its numbers. If
/// `clients` is not empty, only clients in these subnets may use the ports. `field` is the field's name for the
/// error.
///
/// # Errors
/// Returns 400 if the text is not valid, or its ranges have different lengths or too many ports.
pub fn published(field: &str, text: &str, clients: &[IpNet]) -> Parsed<Vec<ContainerPort>> {
    let refuse = |remedy: &str| ApiError::invalid(field, text, remedy);
    let (body, protocol) = protocol(field, text)?;
    let (address, body) = address(field, text, body)?;
    let (host, inside) = match body.split_once(':') {
        Some((host, inside)) => (Some(host).filter(|host| !host.is_empty()), inside),
        None if address.is_some() => return Err(refuse(REMEDY)),
        None => (None, body),
    };
    let inside = range(field, text, inside)?;
    let host = host.map(|host| range(field, text, host)).transpose()?;
    // Several host ports for one container port: the first free one is used at each start.
    let several = host
        .as_ref()
        .filter(|host| host.len() > 1 && inside.len() == 1);
    let through = several.map(|host| *host.end());
    if let Some(host) = &host
        && host.len() != inside.len()
        && through.is_none()
    {
        let (many, few) = (host.len(), inside.len());
        let remedy = format!(
            "{many} ports of the VCH can't lead to {few} of the container: write ranges of one length, or one port of the container"
        );
        return Err(refuse(&remedy));
    }
    let port = |(index, port): (usize, u16)| ContainerPort {
        number: PortNumber { protocol, port },
        publish: Some(Publish {
            address,
            port: host.as_ref().and_then(|host| host.clone().nth(index)),
            through,
            clients: clients.to_vec(),
        }),
    };
    Ok(inside.enumerate().map(port).collect())
}

/// Parses the text of a port to expose: `80`, `80/udp` or `8000-8010/tcp`. `field` is the field's name for the
/// error.
///
/// # Errors
/// Returns 400 if the text is not valid, or the range has too many ports.
pub fn exposed(field: &str, text: &str) -> Parsed<Vec<ContainerPort>> {
    let (body, protocol) = protocol(field, text)?;
    let ports = range(field, text, body)?;
    let exposed = ports.map(|port| ContainerPort {
        number: PortNumber { protocol, port },
        publish: None,
    });
    Ok(exposed.collect())
}

fn protocol<'a>(field: &str, text: &'a str) -> Parsed<(&'a str, Protocol)> {
    let Some((body, protocol)) = text.rsplit_once('/') else {
        return Ok((text, Protocol::Tcp));
    };
    match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Ok((body, Protocol::Tcp)),
        "udp" => Ok((body, Protocol::Udp)),
        "sctp" => Ok((body, Protocol::Sctp)),
        _ => Err(ApiError::invalid(
            field,
            text,
            "its protocol must be tcp, udp or sctp",
        )),
    }
}

/// Splits the address off the front of a port, and returns it with the rest.
fn address<'a>(field: &str, text: &str, body: &'a str) -> Parsed<(Option<IpAddr>, &'a str)> {
    let refuse = || ApiError::invalid(field, text, REMEDY);
    if let Some(rest) = body.strip_prefix('[') {
        let (address, rest) = rest.split_once("]:").ok_or_else(refuse)?;
        let address: Ipv6Addr = address.parse().map_err(|_| refuse())?;
        return Ok((Some(address.into()), rest));
    }
    let mut parts = body.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(address), Some(_), Some(_)) => {
            let rest = &body[address.len() + 1..];
            Ok((Some(address.parse().map_err(|_| refuse())?), rest))
        }
        _ => Ok((None, body)),
    }
}

fn range(field: &str, whole: &str, text: &str) -> Parsed<RangeInclusive<u16>> {
    let refuse = |remedy: &str| ApiError::invalid(field, whole, remedy);
    let number = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ if text.is_empty() => Err(refuse(REMEDY)),
        _ => Err(refuse(&format!("`{text}` is no port: use 1 to 65535"))),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(refuse(&format!(
            "the range {first}-{last} ends before it begins"
        )));
    }
    let ports = first..=last;
    if ports.len() > MAX_RANGE {
        let remedy = format!("a range has at most {MAX_RANGE} ports");
        return Err(refuse(&remedy));
    }
    Ok(ports)
}

#[cfg(test)]
mod tests;
