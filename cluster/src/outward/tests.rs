//! A canary on loopback stands for everything that customers must not reach.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// Addresses by class; every one is tried bare, and IPv4 ones also mapped into IPv6.
const FORBIDDEN: [&str; 48] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

const PUBLIC: [&str; 12] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
];

/// Spellings of this machine and its neighbours. `PORT` is the canary's.
const URLS: [&str; 31] = [
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "https://127.0.0.1:PORT/",
    "https://localhost:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://user:password@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/",
    "file://localhost/etc/passwd",
    "unix://localhost/run/docker.sock",
];

/// What is not even a URL with a host.
const NONSENSE: [&str; 8] = [
    "",
    "/hook",
    "127.0.0.1",
    "http://",
    "http:///x",
    "http://[]:80/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1 /",
];

fn send(url: &str) -> Send {
    Send {
        method: http::Method::POST,
        url: url.into(),
        headers: vec![("X-Test".into(), "1".into())],
        body: Bytes::from_static(b"hello"),
        timeout: Duration::from_secs(10),
        most: 1000,
    }
}

fn web(allow: &[&str]) -> Web {
    let allow = allow.iter().map(|text| text.parse().expect("an exception")).collect();
    Web::new(Reach::Public(allow)).expect("a client")
}

async fn listen() -> (TcpListener, u16) {
    loop {
        let port = rand::random_range(20_000..32_000);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return (listener, port);
        }
    }
}

/// Reads one request with its five bytes of body.
async fn receive(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut piece = [0; 1024];
    while !text.ends_with("\r\n\r\nhello") {
        let read = stream.read(&mut piece).await.expect("a request");
        assert!(read > 0, "the client hung up: {text}");
        text.push_str(std::str::from_utf8(&piece[..read]).expect("text"));
    }
    text
}

/// Answers every request on every connection alike until dropped.
async fn answering(answer: &'static [u8]) -> (JoinSet<()>, u16) {
    let (listener, port) = listen().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            receive(&mut stream).await;
            stream.write_all(answer).await.expect("written");
        }
    });
    (tasks, port)
}

#[test]
fn only_public_addresses_are_reached() {
    let reach = Reach::Public(Vec::new());
    for text in FORBIDDEN {
        let ip = text.parse().expect("an address");
        assert!(!reach.admits(SocketAddr::new(ip, 80)), "{text}");
        if let std::net::IpAddr::V4(ip) = ip {
            assert!(!reach.admits(SocketAddr::new(ip.to_ipv6_mapped().into(), 80)), "{text} mapped");
        }
    }
    for text in PUBLIC {
        let ip = text.parse().expect("an address");
        assert!(reach.admits(SocketAddr::new(ip, 80)), "{text}");
    }
}

#[test]
fn exceptions_are_networks_with_or_without_a_port() {
    for (allow, address, admitted) in [
        ("10.0.0.0/8", "10.9.8.7:80", true),
        ("10.0.0.0/8", "11.9.8.7:80", true),
        ("10.0.0.0/9", "10.200.0.1:80", false),
        ("10.0.0.0/8:443", "10.9.8.7:80", false),
        ("10.0.0.0/8:443", "10.9.8.7:443", true),
        ("127.0.0.1:9000", "127.0.0.1:9000", true),
        ("127.0.0.1:9000", "127.0.0.2:9000", false),
        ("127.0.0.1", "[::ffff:127.0.0.1]:1", true),
        ("0.0.0.0/0", "192.168.1.1:1", true),
        ("0.0.0.0/0", "[fd00::1]:1", false),
        ("fd00::/8", "[fd12::1]:80", true),
        ("fd00::1", "[fd00::1]:80", true),
        ("[fd00::]/8:443", "[fd12::1]:443", true),
        ("[fd00::]/8:443", "[fd12::1]:80", false),
        ("[::1]:9000", "[::1]:9000", true),
        ("::/0", "[64:ff9b::7f00:1]:80", true),
    ] {
        let reach = Reach::Public(vec![allow.parse().expect("an exception")]);
        assert_eq!(reach.admits(address.parse().expect("an address")), admitted, "{allow} {address}");
    }
    for bad in [
        "",
        "localhost",
        "localhost:80",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.1:99999",
        "[::1",
        "[::1]x",
        "::/129",
    ] {
        assert!(bad.parse::<Allow>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn no_spelling_reaches_the_canary() {
    let (canary, port) = listen().await;
    let web = web(&[]);
    for url in URLS {
        let url = url.replace("PORT", &port.to_string());
        let refused = web.send(send(&url)).await.expect_err(&url);
        // A resolver may not know an odd spelling at all, which is as good.
        let unknown = refused.status == Status::Unavailable && refused.message.contains("lookup");
        assert!(refused.reason == "ADDRESS_FORBIDDEN" || unknown, "{url}: {refused}");
    }
    for url in NONSENSE {
        let refused = web.send(send(url)).await.expect_err(url);
        assert_eq!(refused.status, Status::InvalidArgument, "{url}: {refused}");
    }
    // Connections are accepted in the order they came: the first one is ours.
    let ours = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    let (_, first) = canary.accept().await.expect("accepted");
    assert_eq!(first, ours.local_addr().expect("an address"));
}

#[tokio::test]
async fn an_allowed_place_gets_the_request_and_its_answer_comes_back() {
    let (listener, port) = listen().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = receive(&mut stream).await;
        let answer = b"HTTP/1.1 201 Created\r\ncontent-type: text/x\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.expect("written");
        request
    });
    let web = web(&[&format!("127.0.0.1:{port}")]);
    let answer = web.send(send(&format!("http://127.0.0.1:{port}/hook?a=1#part"))).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.content_type.as_str(), answer.body.as_ref()),
        (201, "text/x", &b"ok"[..])
    );
    let request = server.join_next().await.expect("a task").expect("no panic");
    assert!(request.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("x-test: 1") && request.contains(&format!("host: 127.0.0.1:{port}")),
        "{request}"
    );
    let elsewhere = web.send(send("http://127.0.0.1:1/")).await.expect_err("another port");
    assert_eq!(elsewhere.reason, "ADDRESS_FORBIDDEN");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (_server, port) = answering(answer).await;
    let answer =
        web(&["127.0.0.1"]).send(send(&format!("http://localhost:{port}/"))).await.expect("an answer");
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let declared: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n";
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 2000]].concat();
    for answer in [declared.to_vec(), endless] {
        let (_server, port) = answering(Box::leak(answer.into_boxed_slice())).await;
        let mut request = send(&format!("http://127.0.0.1:{port}/"));
        request.timeout = Duration::from_secs(3);
        let refused = web(&["127.0.0.1"]).send(request).await.expect_err("refused");
        assert_eq!(refused.status, Status::Unavailable);
        assert!(refused.message.contains("longer than 1000"), "{refused}");
    }
}

#[tokio::test]
async fn a_slow_server_is_given_up() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"] {
        let (listener, port) = listen().await;
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            receive(&mut stream).await;
            stream.write_all(answer).await.expect("written");
            std::future::pending::<()>().await;
        });
        let mut request = send(&format!("http://127.0.0.1:{port}/"));
        request.timeout = Duration::from_millis(200);
        let late = web(&["127.0.0.1"]).send(request).await.expect_err("too late");
        assert_eq!(late.message, "no complete answer came within 200 ms");
    }
}

#[tokio::test]
async fn a_closed_port_is_unavailable_and_says_so() {
    let (listener, port) = listen().await;
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/");
    let refused = Web::new(Reach::Anywhere).expect("a client").send(send(&url)).await.expect_err("refused");
    assert_eq!(refused.status, Status::Unavailable);
    assert!(refused.message.contains("onnection refused"), "{refused}");
}

#[tokio::test]
async fn headers_that_frame_the_message_are_not_the_senders() {
    let web = web(&["127.0.0.1"]);
    for (name, value) in [
        ("Host", "internal"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "0"),
        ("X\r\n", "1"),
        ("X", "a\r\nB: c"),
    ] {
        let mut request = send("http://127.0.0.1:1/");
        request.headers = vec![(name.into(), value.into())];
        let refused = web.send(request).await.expect_err("refused");
        assert_eq!(refused.status, Status::InvalidArgument, "{name}");
    }
}

#[tokio::test]
async fn tls_is_demanded_of_an_https_place() {
    let (_server, port) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (listener, plain) = listen().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut hello = [0; 1];
        stream.read_exact(&mut hello).await.expect("a byte");
        assert_eq!(hello, [0x16], "a TLS handshake");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
    });
    let web = web(&["127.0.0.1"]);
    let refused = web.send(send(&format!("https://127.0.0.1:{plain}/"))).await.expect_err("no TLS there");
    assert_eq!(refused.status, Status::Unavailable);
    server.join_next().await.expect("a task").expect("no panic");
    assert_eq!(web.send(send(&format!("http://127.0.0.1:{port}/"))).await.expect("an answer").status, 200);
}
