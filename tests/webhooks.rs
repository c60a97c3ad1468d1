//! Where a webhook may lead: a table of addresses that somebody who may add one could try, so that Sitekeep asks what they
//! cannot reach themselves. Each is refused in words, and nothing arrives at a listener on this very host.

use crate::support::receiver::Receiver;
use sitekeep::base::clock::Millis;
use sitekeep::base::error::Class;
use sitekeep::webhooks::{Caller, Message, Private};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

/// One or two of each network that is not public.
const OWN_V4: [&str; 24] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
];

const OWN_V6: [&str; 22] = [
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "ff02::1",
    "ff05::2",
    "2001:db8::1",
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "64:ff9b:1::7f00:1",
    "fe80::5efe:7f00:1",
    "4000::1",
];

/// The same address in the ways in which resolvers and other programs read one.
fn spellings(four: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = four.octets();
    let n = u32::from(four);
    let (high, low) = (n >> 16, n & 0xffff);
    vec![
        four.to_string(),
        n.to_string(),
        format!("0x{n:x}"),
        format!("0X{n:08X}"),
        format!("0{n:o}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("{a}.{}", n & 0xff_ffff),
        format!("{a}.{b}.{low}"),
        format!("0x{a:x}.{b}.0{c:o}.{d}"),
        format!("[::ffff:{four}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:x}:{low:x}]"),
        format!("[::{high:x}:{low:x}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
    ]
}

/// Every address, as it would be typed; `port` is that of the listener.
fn corpus(port: u16) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for four in ["127.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1"] {
        all.extend(spellings(four.parse().unwrap()).iter().map(|host| format!("http://{host}:{port}/")));
    }
    for four in OWN_V4 {
        all.extend([format!("http://{four}:{port}/"), format!("https://{four}:{port}/latest/meta-data/"), format!("http://{four}/")]);
    }
    for six in OWN_V6 {
        all.extend([format!("http://[{six}]:{port}/"), format!("https://[{six}]/")]);
    }
    // Names of this host that need no name server.
    for name in ["localhost", "LOCALHOST", "LocalHost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"] {
        all.extend([format!("http://{name}:{port}/"), format!("https://{name}:{port}/x?y=z")]);
    }
    all.extend(tricks(port));
    for scheme in SCHEMES {
        all.insert(format!("{scheme}://127.0.0.1:{port}/"));
        all.insert(format!("{scheme}://example.com/"));
    }
    for service in SERVICES {
        all.insert(format!("http://example.com:{service}/"));
        all.insert(format!("https://127.0.0.1:{service}/"));
    }
    all
}

const SCHEMES: [&str; 24] = [
    "ftp",
    "ftps",
    "sftp",
    "ssh",
    "file",
    "gopher",
    "dict",
    "ldap",
    "ldaps",
    "tftp",
    "telnet",
    "smb",
    "imap",
    "pop3",
    "smtp",
    "ws",
    "wss",
    "unix",
    "jar",
    "netdoc",
    "phar",
    "redis",
    "httpx",
    "http+unix",
];
const SERVICES: [u16; 18] = [0, 1, 7, 19, 21, 22, 23, 25, 53, 110, 111, 143, 389, 445, 465, 587, 993, 1023];

/// Addresses that one reader takes for another's.
fn tricks(port: u16) -> Vec<String> {
    let at = format!("127.0.0.1:{port}");
    vec![
        format!("http://user@{at}/"),
        format!("http://user:password@{at}/"),
        format!("http://example.com@{at}/"),
        format!("http://example.com:80@{at}/"),
        format!("http://{at}@example.com/"),
        format!("http://example.com%40{at}/"),
        format!("http://{at}\\@example.com/"),
        format!("http://example.com\\@{at}/"),
        format!("http://@{at}/"),
        format!("http://{at}%2f@example.com/"),
        format!("http://{at}%00.example.com/"),
        format!("http://{at} .example.com/"),
        format!("http:// {at}/"),
        format!(" http://{at}/"),
        format!("http://\t{at}/"),
        format!("http://{at}/\r\nHost: example.com"),
        format!("http://127.0.0.1\n:{port}/"),
        format!("http:{at}/"),
        format!("http:/{at}/"),
        format!("http:///{at}/"),
        format!("http:\\\\{at}/"),
        format!("//{at}/"),
        format!("{at}/"),
        at.clone(),
        format!("http://[::1%25lo]:{port}/"),
        format!("http://[::1%lo]:{port}/"),
        format!("http://[::ffff:127.0.0.1%25lo]:{port}/"),
        format!("http://::1:{port}/"),
        format!("http://[::1:{port}/"),
        format!("http://[127.0.0.1]:{port}/"),
        format!("http://[v1.127]:{port}/"),
        format!("http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:{port}/"),
        format!("http://\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}:{port}/"),
        format!("http://127\u{3002}0\u{3002}0\u{3002}1:{port}/"),
        format!("http://l\u{f6}calhost\u{200b}:{port}/"),
        format!("HTTP://{at}/"),
        format!("hTtP://{at}/"),
        format!("http://127.0.0.1:0{port}/"),
        format!("http://127.0.0.1:{port}:80/"),
        "http://127.0.0.1:99999/".into(),
        "http://127.0.0.1:-1/".into(),
        "http://127.0.0.1:/".into(),
        "http://".into(),
        "http://:80/".into(),
        "http:///".into(),
        "https://?x".into(),
        "https://#x".into(),
        "".into(),
        "*".into(),
        "/".into(),
        "javascript:alert(1)".into(),
        "data:text/plain,x".into(),
        "mailto:root@localhost".into(),
        "about:blank".into(),
        "urn:x:y".into(),
        "view-source:http://127.0.0.1/".into(),
    ]
}

/// Listeners on loopback addresses, with one port.
struct Trap(Vec<TcpListener>, u16);

impl Trap {
    fn start() -> Self {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = four.local_addr().unwrap().port();
        // A machine without IPv6 has no loopback there either.
        let others = ["127.0.0.2", "::1"].map(|host| TcpListener::bind((host, port)).ok());
        let all: Vec<TcpListener> = others.into_iter().chain([Some(four)]).flatten().collect();
        all.iter().for_each(|l| l.set_nonblocking(true).unwrap());
        Self(all, port)
    }
    fn is_hit(&self) -> bool {
        self.0.iter().any(|listener| listener.accept().is_ok())
    }
}

#[test]
fn no_address_of_the_table_is_called_however_it_is_written() {
    let trap = Trap::start();
    let all = corpus(trap.1);
    assert!(all.len() >= 200, "only {}", all.len());
    let caller = Caller::default();
    let (mut at_once, mut when_called) = (0, 0);
    for url in &all {
        // As it is refused when it is added; and, as it may have been added before, when it is called.
        let refused = caller.check(url).err();
        let message = Message { url: url.clone(), key: None, body: "{}".into() };
        let said = caller.send("msg_1", Millis(0), &message).expect_err(url);
        assert!(!trap.is_hit(), "{url:?} was reached");
        match refused {
            Some(e) => {
                at_once += 1;
                assert_eq!(e.class(), Class::Invalid, "{url:?}: {e}");
                assert!(e.hint_text().is_some() && clear(&e.to_string()), "{url:?}: {e}");
            }
            None => when_called += 1,
        }
        let unknown = ["name is not known", "cannot be reached"].iter().any(|words| said.to_string().contains(words));
        assert!(clear(&said.to_string()) || unknown, "{url:?}: {said}");
        assert!(!unknown || url.contains(".localdomain") || url.contains("ip6-"), "{url:?} is a name to the resolver: {said}");
    }
    println!("{} addresses: {at_once} refused when they are added, {when_called} when they are called; none was reached", all.len());
    // The trap would have told.
    let allowed = Caller::new(Private::parse("127.0.0.1").unwrap());
    let port = trap.1;
    std::thread::spawn(move || {
        let _ = allowed.send("msg_1", Millis(0), &Message { url: format!("http://127.0.0.1:{port}/"), key: None, body: "{}".into() });
    });
    crate::support::wait_for("the trap to be reached", std::time::Duration::from_secs(10), || trap.is_hit());
}

/// A sentence that says what is wrong with the address.
fn clear(said: &str) -> bool {
    ["is not a public address", "cannot be called"].iter().any(|words| said.contains(words))
}

#[test]
fn a_network_that_is_allowed_opens_no_other_one() {
    let trap = Trap::start();
    let caller = Caller::new(Private::parse("10.20.0.0/16, fd12::/16").unwrap());
    for url in corpus(trap.1) {
        let message = Message { url: url.clone(), key: None, body: "{}".into() };
        caller.send("msg_1", Millis(0), &message).expect_err(&url);
        assert!(!trap.is_hit(), "{url:?} was reached");
    }
}

#[test]
fn a_receiver_cannot_send_us_anywhere_by_any_redirection() {
    let (receiver, trap) = (Receiver::start(), Receiver::start());
    let caller = Caller::new(Private::parse("127.0.0.1, ::1").unwrap());
    let target = trap.url("/latest/meta-data/");
    let bare = target.trim_start_matches("http:").to_owned();
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for header in
            [format!("Location: {target}"), format!("Location: {bare}"), format!("location:{target}"), format!("Refresh: 0; url={target}")]
        {
            receiver.answer(status, &format!("{header}\r\n"));
            let message = Message { url: receiver.url("/hook"), key: None, body: "{}".into() };
            let said = caller.send("msg_1", Millis(0), &message).expect_err(&header);
            assert_eq!(said.class(), Class::Permanent, "{status} {header}: {said}");
            assert!(said.to_string().contains(&status.to_string()) && !said.to_string().contains("meta-data"), "{said}");
            assert!(trap.take().is_empty(), "{status} {header}");
        }
    }
    assert_eq!(receiver.take().len(), 28, "each was asked once");
}
