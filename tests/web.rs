//! TLS and who may read the metrics page, on the program as its users run it: `docs/security.md` says what is promised.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::authority::{Authority, Identity, MountedSecret, TlsClient, basic, hash};
use support::exposition::Page;
use support::http::Connection;
use support::server::{Server, program, run};
use support::{RaisedAtEnd, expect_that, time_slack, within};
use tokio_rustls::rustls::version;

const PASSWORD: &str = "hush-hush-Secret1";
const TOKEN: &str = "hush-token-4cb1d04ffb0a7d11";
/// What was read serves for a second.
const SEEN: Duration = Duration::from_secs(10);
/// One that takes little time, and the program is not optimised here.
const COST: u32 = 5;

const TLS: &str = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n";

fn users(cost: u32) -> String {
    format!("basic_auth_users:\n  scraper: {}\n", hash(PASSWORD, cost))
}

/// `serve` with the file `web.yaml` of this folder.
fn start(folder: &Path) -> Server {
    let plugins = tempfile::tempdir().unwrap();
    let file = folder.join("web.yaml");
    let arguments = [
        "--listen=127.0.0.1:0",
        "--web-config-file",
        file.to_str().unwrap(),
    ];
    Server::launch(program(support::server::PROGRAM), plugins.path(), &arguments).keeping(plugins)
}

fn secret(authority: &Authority, web: &str) -> MountedSecret {
    let identity = authority.identity("probe");
    MountedSecret::new(&[
        ("web.yaml", web.as_bytes()),
        ("tls.crt", &identity.certificate),
        ("tls.key", &identity.key),
    ])
}

/// Nothing that the program said has a word of a password, a hash, a token or a key in it.
fn assert_told_no_secret(server: &Server) {
    for line in server.log() {
        for secret in ["hush", "$2b$", "k9PzUuW4", "PRIVATE", "Authorization"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn a_password_opens_every_page_but_those_of_health_which_say_little_without() {
    let authority = Authority::new();
    let folder = secret(&authority, &format!("{TLS}{}", users(COST)));
    let server = start(folder.path());
    assert!(server.logged("answering Prometheus on https://").is_ok());
    let client = TlsClient::trusting(&authority, None);
    let ask = |target: &str, header: Option<&str>| {
        let header = header.map(|value| ("Authorization", value));
        let answer = client.ask(server.address(), target, header.as_slice());
        answer.unwrap_or_else(|error| panic!("no answer to {target}: {error}"))
    };
    let right = basic("scraper", PASSWORD);
    for target in ["/metrics", "/", "/healthz", "/readyz"] {
        assert_eq!(ask(target, Some(&right)).status, 200, "{target}");
    }
    // Schemes are in any case of letters, and there may be more than one space.
    let odd = right.replace("Basic ", "bAsIc  ");
    assert_eq!(ask("/metrics", Some(&odd)).status, 200);

    let wrong = [
        None,
        Some(basic("scraper", "hush")),
        Some(basic("scraper", "")),
        Some(basic("scraper", &format!("{PASSWORD}x"))),
        Some(basic("nobody", PASSWORD)),
        Some(basic("", "")),
        Some(right.replace("Basic", "Digest")),
        Some(right.replace("Basic", "Bearer")),
        Some(right.replace("Basic ", "Basic")),
        Some("Basic".to_owned()),
        Some("Basic !!hush!!".to_owned()),
        Some("Basic aHVzaA==".to_owned()),
        Some(format!("Bearer {TOKEN}")),
    ];
    for header in &wrong {
        for target in ["/metrics", "/", "/metrics/powerflex", "/nothing"] {
            let answer = ask(target, header.as_deref());
            assert_eq!(answer.status, 401, "{target} {header:?}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Basic realm=\"scope-storage-probe\"")
            );
            assert!(answer.text().len() < 40, "{}", answer.text());
        }
    }
    // Who comes with nothing, as a kubelet does, is told that all is well and no more; who comes with what is wrong, nothing.
    assert_eq!(ask("/healthz", None).text(), "OK\n");
    assert_eq!(ask("/readyz", None).text(), "OK\n");
    assert_eq!(ask("/readyz", Some(&basic("scraper", "hush"))).status, 401);
    // Scope's socket has the rights of its folder.
    assert!(!server.report().bytes().is_empty());
    assert_told_no_secret(&server);
}

#[test]
fn a_token_opens_as_well_and_is_exchanged_while_the_connection_goes_on() {
    let authority = Authority::new();
    let web = format!("{TLS}{}bearer_token_file: tokens\n", users(COST));
    let identity = authority.identity("probe");
    let entries = |tokens: &'static str| {
        [
            ("web.yaml", web.clone().into_bytes()),
            ("tls.crt", identity.certificate.clone()),
            ("tls.key", identity.key.clone()),
            ("tokens", tokens.as_bytes().to_vec()),
        ]
    };
    let exchange = |folder: &MountedSecret, tokens| {
        let entries = entries(tokens);
        let entries: Vec<_> = entries.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        folder.exchange(&entries);
    };
    let folder = MountedSecret::new(&[]);
    exchange(&folder, TOKEN);
    let server = start(folder.path());
    let mut connection = TlsClient::trusting(&authority, None)
        .connect(server.address())
        .unwrap();
    let mut status = |scheme: &str, token: &str| {
        let header = format!("{scheme} {token}");
        let answer = connection
            .ask("GET", "/metrics", &[("Authorization", &header)])
            .unwrap();
        (
            answer.status,
            answer.header("www-authenticate").map(ToOwned::to_owned),
        )
    };
    assert_eq!(status("Bearer", TOKEN).0, 200);
    assert_eq!(status("bearer", TOKEN).0, 200);
    let both = Some("Basic realm=\"scope-storage-probe\", Bearer".to_owned());
    assert_eq!(status("Bearer", "hush-token-4cb1d04ffb0a7d1"), (401, both));
    assert_eq!(status("Bearer", "").0, 401);
    assert_eq!(status("Basic", TOKEN).0, 401);
    // Both hold while scrapers are told of the new one, and then the old one no longer.
    let new = "hush-token-b5a0c54d1a1f0e22";
    exchange(
        &folder,
        "hush-token-b5a0c54d1a1f0e22\nhush-token-4cb1d04ffb0a7d11\n",
    );
    within(SEEN, || {
        expect_that(status("Bearer", new).0 == 200, "the new one is not taken")
    });
    assert_eq!(status("Bearer", TOKEN).0, 200);
    exchange(&folder, "hush-token-b5a0c54d1a1f0e22");
    within(SEEN, || {
        expect_that(status("Bearer", TOKEN).0 == 401, "the old one is still taken")
    });
    assert_eq!(status("Bearer", new).0, 200);
    assert_told_no_secret(&server);
}

#[test]
fn certificates_and_users_are_exchanged_while_it_runs() {
    let authority = Authority::new();
    let folder = secret(&authority, &format!("{TLS}{}", users(COST)));
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let before = client.shown(server.address());
    let mut kept = client.connect(server.address()).unwrap();
    let mut status = |user: &str, password: &str| {
        let header = basic(user, password);
        kept.ask("GET", "/metrics", &[("Authorization", &header)])
            .unwrap()
            .status
    };
    assert_eq!(status("scraper", PASSWORD), 200);

    let identity = authority.identity("probe");
    let other = format!("{TLS}basic_auth_users: {{other: {}}}\n", hash("hush-other", COST));
    folder.exchange(&[
        ("web.yaml", other.as_bytes()),
        ("tls.crt", &identity.certificate),
        ("tls.key", &identity.key),
    ]);
    within(SEEN, || {
        let shown = client.shown(server.address());
        expect_that(shown != before, "the old certificate is still shown")
    });
    assert_eq!(status("other", "hush-other"), 200);
    // Remembered or not.
    assert_eq!(status("scraper", PASSWORD), 401);
    assert!(server.soon_logged("is read anew").contains("TLS, 1 users"));

    // The same name with another password: what is remembered of the old one does not hold.
    let again = format!("{TLS}basic_auth_users: {{other: {}}}\n", hash("hush-again", COST));
    folder.exchange(&[
        ("web.yaml", again.as_bytes()),
        ("tls.crt", &identity.certificate),
        ("tls.key", &identity.key),
    ]);
    within(SEEN, || {
        expect_that(status("other", "hush-again") == 200, "not taken")
    });
    assert_eq!(status("other", "hush-other"), 401);
    assert_told_no_secret(&server);
}

#[test]
fn what_is_broken_while_it_runs_is_told_once_and_changes_nothing() {
    let authority = Authority::new();
    let web = format!("{TLS}{}", users(COST));
    let folder = secret(&authority, &web);
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let right = basic("scraper", PASSWORD);
    let works = || {
        let answer = client.ask(server.address(), "/metrics", &[("Authorization", &right)]);
        assert_eq!(answer.unwrap().status, 200);
        assert_eq!(client.ask(server.address(), "/metrics", &[]).unwrap().status, 401);
    };
    works();
    // The files themselves, and not by a link, as an editor or a script would.
    let file = folder.path().join("web.yaml");
    let write = |text: &str| {
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, text).unwrap();
    };
    let identity = authority.identity("other");
    let key = folder.path().join("tls.key");
    for (broken, told) in [
        ("", "asks for nothing"),
        ("tls_server_config: [", "not YAML"),
        ("basic_auth_users: {a: hush}", "no hash"),
        (TLS, "no longer asks for passwords and tokens"),
        (
            web.split_once("basic").unwrap().0,
            "no longer asks for passwords and tokens",
        ),
        (&users(COST), "no longer asks for TLS"),
    ] {
        write(broken);
        within(SEEN, || {
            works();
            server.logged(told)
        });
    }
    std::fs::remove_file(&file).unwrap();
    within(SEEN, || {
        works();
        server.logged("web.yaml: No such file")
    });
    // A pipe is not waited for.
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    within(SEEN, || {
        works();
        server.logged("no regular file")
    });
    std::fs::remove_file(&file).unwrap();
    write(&web);
    within(SEEN, || {
        works();
        server.logged("can be read again")
    });
    // A key of another certificate.
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    within(SEEN, || {
        works();
        server.logged("are of no use together")
    });
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        works();
    }
    let lines = server.log();
    let of_key = lines
        .iter()
        .filter(|line| line.contains("are of no use together"));
    assert_eq!(of_key.count(), 1, "{lines:?}");
    assert_told_no_secret(&server);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of what may be wrong")]
fn what_is_wrong_at_the_start_is_said_with_its_place_and_no_secret() {
    let authority = Authority::new();
    let folder = secret(&authority, "");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("other.key"), authority.identity("other").key).unwrap();
    std::fs::write(path("short"), "hush").unwrap();
    std::fs::write(path("one-line.key"), "-----BEGIN PRIVATE KEY-----MIIhush").unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(path("pipe"))
            .status()
            .unwrap()
            .success()
    );
    symlink("nowhere", path("dangling")).unwrap();
    let file = path("wrong.yaml");
    let wrong_way_round = format!("basic_auth_users:\n  {}: scraper\n", hash(PASSWORD, COST));
    for (text, told) in [
        ("", "asks for nothing"),
        ("{}", "asks for nothing"),
        ("hush", "has no keys"),
        ("basic_auth_users: hush", "basic_auth_users has no keys"),
        ("basic_auth_users: {a: [hush]}", "user \"a\" is no hash"),
        (
            "basic_auth_users:\n  scraper:hush\n",
            "basic_auth_users has no keys",
        ),
        ("basic_auth_users: {scraper:hush}", "no colon"),
        ("bearer_token_file: [hush]", "bearer_token_file is no text"),
        ("bearer_token_file:hush: 1", "the key `` is not one"),
        (
            "basic_auth_users: {scraper: hush}",
            "user \"scraper\" is no hash of bcrypt",
        ),
        (
            "basic_auth_users: {scraper: $2b$17$k9PzUuW4bqNn3Yv1c7XyTe}",
            "a cost of 17",
        ),
        (&wrong_way_round, "no hash of bcrypt"),
        (
            "http_server_config: {http2: false}",
            "the key `http_server_config` is not one",
        ),
        ("rate_limit: {burst: 1}", "the key `rate_limit` is not one"),
        ("tls_server_config: {cert_file: tls.crt}", "lacks `key_file`"),
        (
            &format!("{TLS}  cipher_suites: []\n"),
            "the key `cipher_suites` is not one",
        ),
        (&format!("{TLS}  key: hush\n"), "the key `key` is not one"),
        (
            &format!("{TLS}  min_version: TLS10\n"),
            "min_version is TLS12 or TLS13",
        ),
        (
            &format!("{TLS}  client_auth_type: RequireAnyClientCert\n"),
            "proves nothing",
        ),
        (&format!("{TLS}  client_auth_type: Hush\n"), "client_auth_type is"),
        (
            &format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n"),
            "client_ca_file says whose",
        ),
        (
            &format!("{TLS}  client_ca_file: tls.crt\n"),
            "does not ask for certificates",
        ),
        (
            &format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: tls.key\n"),
            "tls.key: there is no certificate",
        ),
        (
            "tls_server_config: {cert_file: none, key_file: tls.key}",
            "none: No such file",
        ),
        (
            "tls_server_config: {cert_file: pipe, key_file: tls.key}",
            "pipe: it is no regular file",
        ),
        (
            "tls_server_config: {cert_file: dangling, key_file: tls.key}",
            "dangling: No such file",
        ),
        (
            "tls_server_config: {cert_file: tls.key, key_file: tls.key}",
            "tls.key: there is no certificate",
        ),
        (
            "tls_server_config: {cert_file: tls.crt, key_file: tls.crt}",
            "tls.crt: there is no private key",
        ),
        (
            "tls_server_config: {cert_file: tls.crt, key_file: one-line.key}",
            "there is no private key",
        ),
        (
            "tls_server_config: {cert_file: tls.crt, key_file: other.key}",
            "are of no use together",
        ),
        ("bearer_token_file: short", "short: a token in it is no word"),
        ("bearer_token: hush", "the key `bearer_token` is not one"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = run(&[
            "serve",
            "--plugin-dir=",
            "--listen=127.0.0.1:0",
            "--web-config-file",
            file.to_str().unwrap(),
        ]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(told), "{text}: {said}");
        assert!(
            said.contains(folder.path().to_str().unwrap()) || told.contains("client_"),
            "{text}: {said}"
        );
        assert!(
            !said.contains("hush") && !said.contains("k9PzUuW4"),
            "{text}: {said}"
        );
    }
    let pointless = run(&["serve", "--listen=", "--web.config.file", file.to_str().unwrap()]);
    assert!(
        String::from_utf8(pointless.stderr)
            .unwrap()
            .contains("--listen names none")
    );
}

#[test]
fn only_a_certificate_of_the_authority_that_is_good_today_lets_a_client_in() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let web = format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  min_version: TLS13\n"
    );
    let identity = authority.identity("probe");
    let with_authority = |of: &Authority| {
        [
            ("web.yaml", web.clone().into_bytes()),
            ("tls.crt", identity.certificate.clone()),
            ("tls.key", identity.key.clone()),
            ("ca.crt", of.certificate()),
        ]
    };
    let exchange = |folder: &MountedSecret, of: &Authority| {
        let entries = with_authority(of);
        let entries: Vec<_> = entries.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        folder.exchange(&entries);
    };
    let folder = MountedSecret::new(&[]);
    exchange(&folder, &authority);
    let server = start(folder.path());
    let status = |client: &TlsClient| {
        client
            .ask(server.address(), "/metrics", &[])
            .map(|answer| answer.status)
    };
    let scraper = TlsClient::trusting(&authority, Some(&authority.identity("scraper")));
    assert_eq!(status(&scraper).unwrap(), 200);
    for (identity, told) in [
        (None, "CertificateRequired"),
        (Some(authority.expired("scraper")), "CertificateExpired"),
        (Some(stranger.identity("scraper")), "UnknownCA"),
    ] {
        let client = TlsClient::trusting(&authority, identity.as_ref());
        let refused = status(&client).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
        // Nor is it lost to who asks after the server has made up its mind.
        let mut late = client.connect(server.address()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let refused = late.get("/metrics").unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    // And the oldest version that is spoken is the one that is asked for.
    let old = TlsClient::speaking(
        &[&version::TLS12],
        &authority,
        Some(&authority.identity("scraper")),
    );
    let refused = status(&old).unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");

    exchange(&folder, &stranger);
    let other = TlsClient::trusting(&authority, Some(&stranger.identity("scraper")));
    within(SEEN, || {
        let answered = status(&other);
        expect_that(answered.is_ok(), format!("{answered:?}"))
    });
    assert!(status(&scraper).is_err());
}

#[test]
fn a_certificate_that_need_not_be_given_is_checked_where_it_is() {
    let authority = Authority::new();
    let identity = authority.identity("probe");
    let web = format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n");
    let folder = MountedSecret::new(&[
        ("web.yaml", web.as_bytes()),
        ("tls.crt", &identity.certificate),
        ("tls.key", &identity.key),
        ("ca.crt", &authority.certificate()),
    ]);
    let server = start(folder.path());
    for versions in [&version::TLS12, &version::TLS13] {
        let status = |identity: Option<Identity>| {
            TlsClient::speaking(&[versions], &authority, identity.as_ref())
                .ask(server.address(), "/metrics", &[])
                .map(|answer| answer.status)
        };
        assert_eq!(status(None).unwrap(), 200);
        assert_eq!(status(Some(authority.identity("scraper"))).unwrap(), 200);
        assert!(status(Some(Authority::new().identity("scraper"))).is_err());
        assert!(status(Some(authority.expired("scraper"))).is_err());
    }
}

#[test]
fn plain_http_is_told_of_tls_and_nonsense_is_hung_up_on() {
    let authority = Authority::new();
    let folder = secret(&authority, TLS);
    let server = start(folder.path());
    let mut plain = server.prometheus();
    let answer = plain.get("/metrics").unwrap();
    assert_eq!(
        (answer.status, answer.text()),
        (400, "this address speaks TLS: ask https://\r\n")
    );
    assert!(plain.is_hung_up(Instant::now() + Duration::from_secs(2)));
    for nonsense in [
        &b"\x00\x01\x02\x03nonsense"[..],
        b"\x16\x03\x01\xff\xffhush",
        &vec![0x16; 70_000],
    ] {
        let mut client = server.prometheus();
        let _ = client.send(nonsense);
        client.stream().shutdown(std::net::Shutdown::Write).ok();
        let begun = Instant::now();
        while client
            .stream()
            .set_read_timeout(Some(Duration::from_secs(2)))
            .is_ok()
            && !client.is_hung_up(Instant::now() + Duration::from_secs(2))
        {
            assert!(begun.elapsed() < Duration::from_secs(5), "it is not hung up on");
        }
    }
    let client = TlsClient::trusting(&authority, None);
    assert_eq!(client.ask(server.address(), "/metrics", &[]).unwrap().status, 200);
    // A large page comes whole, and a connection is kept.
    let mut kept = client.connect(server.address()).unwrap();
    for _ in 0..3 {
        let page = kept.get("/metrics").unwrap();
        assert!(page.text().ends_with('\n'));
    }
    assert_told_no_secret(&server);
}

#[test]
fn who_never_agrees_upon_tls_keeps_nobody_out() {
    let authority = Authority::new();
    let folder = secret(&authority, TLS);
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    // Nothing, the beginning of a greeting, and a greeting in plain of which the rest never comes.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00", b"G"] {
        let held: Vec<TcpStream> = (0..300)
            .map(|_| {
                let mut stream = server.prometheus();
                let _ = stream.send(sent);
                stream.stream().try_clone().unwrap()
            })
            .collect();
        let begun = Instant::now();
        let answer = client.ask(server.address(), "/metrics", &[]).unwrap();
        assert_eq!(answer.status, 200);
        let most = Duration::from_secs(2).mul_f64(time_slack());
        assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
        assert!(!server.report().bytes().is_empty());
        drop(held);
    }
    // With nobody who needs the place, one is hung up on all the same.
    let mut silent = server.prometheus();
    assert!(silent.is_hung_up(Instant::now() + Duration::from_secs(15)));
}

#[test]
fn who_never_stops_to_speak_plain_holds_up_nobody() {
    use std::io::Write as _;
    let authority = Authority::new();
    let folder = secret(&authority, TLS);
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let plain = vec![b'G'; 1 << 20];
                while !is_over() {
                    let mut stream = TcpStream::connect(server.address()).unwrap();
                    while !is_over() && stream.write_all(&plain).is_ok() {}
                }
            });
        }
        let begun = Instant::now();
        let most = Duration::from_secs(2).mul_f64(time_slack());
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            assert!(!server.report().bytes().is_empty());
            slowest = slowest.max(asked.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(slowest < most, "{slowest:?}");
    });
    assert_eq!(client.ask(server.address(), "/metrics", &[]).unwrap().status, 200);
}

#[test]
fn who_guesses_passwords_holds_up_nobody_who_is_known() {
    let authority = Authority::new();
    // A hash takes some seconds here, where the program is not optimised.
    let folder = secret(&authority, &format!("{TLS}{}", users(9)));
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let right = basic("scraper", PASSWORD);
    let known = |connection: &mut Connection<_>| {
        connection
            .ask("GET", "/metrics", &[("Authorization", &right)])
            .unwrap()
            .status
    };
    let mut scraper = client.connect(server.address()).unwrap();
    assert_eq!(known(&mut scraper), 200);
    let guessing: Vec<_> = (0..20)
        .map(|number| {
            let (client, address) = (client.clone(), server.address());
            std::thread::spawn(move || {
                let user = if number % 2 == 0 { "scraper" } else { "nobody" };
                let header = basic(user, &format!("hush-{number}"));
                let mut connection = client.connect(address).unwrap();
                connection
                    .request("GET", "/metrics", &[("Authorization", &header)])
                    .unwrap();
                let answer = connection.answer(Instant::now() + Duration::from_secs(60), false);
                answer.unwrap().status
            })
        })
        .collect();
    let begun = Instant::now();
    while guessing.iter().any(|guess| !guess.is_finished()) && begun.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        assert_eq!(known(&mut scraper), 200);
        assert!(!server.report().bytes().is_empty());
        let most = Duration::from_secs(1).mul_f64(time_slack());
        assert!(asked.elapsed() < most, "{:?}", asked.elapsed());
    }
    let mut statuses: Vec<u16> = guessing.into_iter().map(|guess| guess.join().unwrap()).collect();
    statuses.sort_unstable();
    let busy = statuses.iter().filter(|status| **status == 503).count();
    assert!(
        statuses.iter().all(|status| [401, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(busy >= 10, "{statuses:?}");
    assert_told_no_secret(&server);
}

/// Does this while somebody guesses passwords from 127.0.0.2, on so many connections that are kept, and asks again `pause` after he was told that
/// others wait. Gives how many of his guesses were checked.
fn while_somebody_guesses(
    client: &TlsClient,
    server: &Server,
    connections: usize,
    pause: Duration,
    work: impl FnOnce(),
) -> usize {
    let (is_over, checked, address) = (AtomicBool::new(false), AtomicUsize::new(0), server.address());
    std::thread::scope(|scope| {
        let _ends = RaisedAtEnd(&is_over);
        for guesser in 0..connections {
            let (is_over, checked) = (&is_over, &checked);
            scope.spawn(move || {
                let mut connection = client
                    .connect_from(IpAddr::from([127, 0, 0, 2]), address)
                    .unwrap();
                for number in 0.. {
                    let header = basic("scraper", &format!("hush-{guesser}-{number}"));
                    connection
                        .request("GET", "/metrics", &[("Authorization", &header)])
                        .unwrap();
                    let answer = connection.answer(Instant::now() + Duration::from_secs(60), false);
                    match answer.unwrap().status {
                        401 => checked.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            std::thread::sleep(pause);
                            0
                        }
                        other => panic!("a guess is answered {other}"),
                    };
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        within(Duration::from_secs(20), || {
            expect_that(checked.load(Ordering::Relaxed) > 1, "no guess was checked")
        });
        work();
    });
    assert_told_no_secret(server);
    checked.into_inner()
}

#[test]
fn who_guesses_passwords_keeps_out_nobody_of_another_address() {
    const SCRAPES: usize = 3;
    let authority = Authority::new();
    let folder = secret(&authority, &format!("{TLS}{}", users(COST)));
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let right = basic("scraper", PASSWORD);
    while_somebody_guesses(&client, &server, 24, Duration::from_millis(50), || {
        // He is not known yet: it is his first scrape.
        let statuses: Vec<u16> = (0..SCRAPES)
            .map(|_| {
                let mut connection = client.connect(server.address()).unwrap();
                connection
                    .request("GET", "/metrics", &[("Authorization", &right)])
                    .unwrap();
                let limit = Instant::now() + Duration::from_secs(30).mul_f64(time_slack());
                connection.answer(limit, false).unwrap().status
            })
            .collect();
        assert!(statuses.contains(&200), "{statuses:?}");
    });
}

#[test]
fn guessing_passwords_costs_a_quarter_of_one_processor() {
    const TIME: Duration = Duration::from_secs(6);
    let authority = Authority::new();
    let folder = secret(&authority, &format!("{TLS}{}", users(COST)));
    let server = start(folder.path());
    let client = TlsClient::trusting(&authority, None);
    let right = basic("scraper", PASSWORD);
    let used = || {
        let answer = client.ask(server.address(), "/metrics", &[("Authorization", &right)]);
        let page = Page::parse(answer.unwrap().text());
        page.value("process_cpu_seconds_total", &[]).unwrap()
    };
    used();
    // Some are answered at once, which costs as well, and in this build a few milliseconds.
    while_somebody_guesses(&client, &server, 8, Duration::from_millis(200), || {
        let (before, begun) = (used(), Instant::now());
        std::thread::sleep(TIME);
        let share = (used() - before) / begun.elapsed().as_secs_f64();
        assert!((0.1..0.4).contains(&share), "{share} of a processor");
    });
}
