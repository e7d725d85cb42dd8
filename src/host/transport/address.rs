//! Which addresses of the network a request may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a request may be sent to, whatever name led there. It travels with the request, and a transport applies it to the
/// address that it connects to.
///
/// ```
/// use syncline::host::AddressPolicy;
///
/// let policy = AddressPolicy::default();
/// assert!(policy.allows("93.184.215.14".parse().unwrap()));
/// for private in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"] {
///     assert!(!policy.allows(private.parse().unwrap()), "{private}");
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressPolicy {
    /// Addresses of the public internet only.
    #[default]
    Public,
    /// This machine only: for tests and development.
    Loopback,
    /// Any, also those of the host's own network: only for hosts that the host application chose itself, never for one that a customer
    /// can name.
    Any,
}

impl AddressPolicy {
    /// Whether a request may go there.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            AddressPolicy::Any => true,
            AddressPolicy::Loopback => plain(address).is_loopback(),
            AddressPolicy::Public => match plain(address) {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            },
        }
    }
}

/// The address of version 4 that one of version 6 stands for, where it does.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        // Mapped, compatible but for `::` and `::1`, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] => four(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => four(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // This network, shared by carriers, protocol assignments, tests of the network, and what is reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Of what is given out, 2000::/3, without Teredo and other protocols, documentation and 6to4 (see `plain`).
    let given_out = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second < 0x0200;
    let documentation = (first == 0x2001 && second == 0x0db8) || first & 0xfff0 == 0x3ff0;
    given_out && !protocols && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ];
        for (addresses, allowed) in [(&public[..], true), (&private[..], false)] {
            for text in addresses {
                let address = text.parse().unwrap();
                assert_eq!(AddressPolicy::Public.allows(address), allowed, "{text}");
                assert!(AddressPolicy::Any.allows(address));
            }
        }
        let loopback = |text: &str| AddressPolicy::Loopback.allows(text.parse().unwrap());
        assert!(loopback("127.0.0.1") && loopback("::1") && loopback("::ffff:127.0.0.1"));
        assert!(!loopback("10.0.0.1") && !loopback("8.8.8.8"));
    }
}
