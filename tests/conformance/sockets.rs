//! The transport over HTTP, against a server on a socket that answers as the kit says.

use syncline::adapter::ReqwestTransport;
use syncline::host::{AddressPolicy, Context};
use syncline::testing::conformance::{TRANSPORT, TransportFixture, kit_answer};

#[path = "../socket/mod.rs"]
mod socket;

#[test]
fn reqwest_transport_conforms() {
    let socket = socket::Socket::new(kit_answer);
    let fresh = || async {
        let base = format!("http://127.0.0.1:{}/", socket.port);
        let transport = ReqwestTransport::new()?;
        let fixture =
            TransportFixture::new(transport, base.parse().unwrap(), AddressPolicy::Loopback);
        Ok(fixture.with_forbidden(AddressPolicy::Public))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(TRANSPORT.run(&Context::new(), fresh));
    println!("{report}");
    report.assert_conforms(&[]);
    // One for each answer: what is forbidden, and where a redirect leads, made none.
    assert_eq!(socket.connections(), 14);
}
