//! Where something is: `tcp://host:port`, `mqtt://host:port`, `http://host:port/path`.

use super::value::{Value, shorten};

/// What an address is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// From the `/` on, empty where there is none.
    pub(super) path: String,
}

impl Address {
    /// `host:port`; an IPv6 host in brackets.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A scheme that is part of the language, but not of this version, and what to do instead.
pub(super) type Later = (&'static str, &'static str);

/// Reads an address of scheme `scheme` (`tcp`); `port` is taken where it names none.
pub(super) fn read(value: Value<'_>, scheme: &str, port: u16, later: &[Later]) -> Option<Address> {
    let text = value.text()?;
    let example = format!("write {} = \"{scheme}://192.168.1.10:{port}\"", value.key);
    let Some((given, rest)) = text.split_once("://") else {
        value.complain(format!("`{}` is \"{}\", without a scheme", value.key, shorten(text)), example);
        return None;
    };
    if given != scheme {
        match later.iter().find(|(scheme, _)| *scheme == given) {
            Some((scheme, mend)) => value.complain(format!("{scheme}:// is not in this version"), *mend),
            None => value.complain(format!("`{}` cannot be a {}:// address", value.key, shorten(given)), example),
        }
        return None;
    }
    match split(rest, port) {
        Ok(address) => Some(address),
        Err(fault) => {
            value.complain(format!("`{}` is \"{}\": {fault}", value.key, shorten(text)), example);
            None
        }
    }
}

fn split(rest: &str, default_port: u16) -> Result<Address, &'static str> {
    let (authority, path) =
        rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("a user or password does not belong here");
    }
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let (host, port) = inside.split_once(']').ok_or("the bracket of the IPv6 address is not closed")?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| "that is no IPv6 address")?;
        (host, port)
    } else {
        let (host, port) =
            authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).unwrap_or_default();
        host_name(host)?;
        (host, port)
    };
    let port = match port {
        "" => default_port,
        port => port
            .strip_prefix(':')
            .and_then(|p| p.parse().ok())
            .filter(|p| *p > 0)
            .ok_or("the port goes from 1 to 65535")?,
    };
    if path.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("the path holds a blank");
    }
    Ok(Address { host: host.to_owned(), port, path: path.to_owned() })
}

/// RFC 1123 names and IPv4 addresses; `_` is common in container networks.
fn host_name(host: &str) -> Result<(), &'static str> {
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if host.is_empty() {
        Err("the host is missing")
    } else if !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        Err("a host is made of letters, digits, dots and hyphens")
    } else if numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
        Err("that is no IPv4 address")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses() {
        for (text, host, port, path) in [
            ("127.0.0.1:1502", "127.0.0.1", 1502, ""),
            ("pump-room.local", "pump-room.local", 502, ""),
            ("[::1]:8086", "::1", 8086, ""),
            ("[fe80::1]/a", "fe80::1", 502, "/a"),
            ("h:1/alarm?x=1", "h", 1, "/alarm?x=1"),
        ] {
            let expected = Address { host: host.to_owned(), port, path: path.to_owned() };
            assert_eq!(split(text, 502), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_addresses() {
        for text in [
            "",
            ":502",
            "h:",
            "h:0",
            "h:65536",
            "h:-1",
            "h:5 02",
            "ho st:1",
            "[::1:1",
            "[x]:1",
            "1.2.3:1",
            "1.2.3.400",
            "u:p@h:1",
            "[::1]x:1",
            "主机:1",
        ] {
            assert!(split(text, 502).is_err(), "{text}");
        }
    }
}
