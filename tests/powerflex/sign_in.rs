//! Every way to sign in, when it is done again and when not, and that nothing of it is told.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::backend::{SHARED, powerflex_up};
use super::support::exposition::Page;
use super::support::powerflex_gateway::{Gateway, Logins, Mood, PASSWORD, USER, settings};
use super::{Exporter, KIB, assert_is, change_settings, of_pool};

#[test]
fn every_version_and_every_way_to_sign_in() {
    for (version, logins) in [
        ("2.6", Logins::Gateway),
        ("3.6", Logins::Gateway),
        ("3.10", Logins::Gateway),
        ("4.0", Logins::Gateway),
        ("4.5.5", Logins::Both),
        ("4.6", Logins::Native),
        ("5.0.0", Logins::Native),
    ] {
        let gateway = Gateway::start(Mood {
            version: version.to_owned(),
            logins,
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        let page = exporter.page();
        assert_is(powerflex_up(&page, "prod"), 1.0);
        assert_is(of_pool(&page, "raw_capacity_bytes", "ssd"), 311_424_000.0 * KIB);
        assert_is(
            of_pool(&page, "usable_available_bytes", "hdd"),
            117_440_512.0 * KIB,
        );
        assert_is(
            page.value("storage_probe_powerflex_system_data_clients", &[]),
            9.0,
        );
        assert_is(
            page.value(
                "storage_probe_powerflex_system_info",
                &[("version", version), ("system_name", "mocksystem")],
            ),
            1.0,
        );
        // Once names are known, three requests; and one sign-in for all of it.
        gateway.forget();
        assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
        assert_eq!(
            gateway.requests(),
            [
                "GET /api/types/StoragePool/instances",
                "GET /api/types/System/instances",
                "POST /api/instances/querySelectedStatistics"
            ],
            "{version}"
        );
        assert_eq!(gateway.logins(), 1, "{version}");
    }
}

#[test]
fn a_token_that_runs_out_in_the_middle_of_a_scrape() {
    // The sign-in, the version and three requests; the fourth finds it void.
    let gateway = Gateway::start(Mood {
        uses: Some(4),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_is(of_pool(&page, "volumes", "ssd"), 2.0);
    assert_eq!(gateway.logins(), 2);
    gateway.expire();
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    assert_eq!(gateway.logins(), 3);
}

#[test]
fn a_second_401_is_a_failure() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
    gateway.change(|mood| mood.accepts_no_token = true);
    gateway.forget();
    assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    let asked = gateway.requests();
    let refused = asked
        .iter()
        .filter(|request| request.contains("StoragePool"))
        .count();
    assert_eq!((refused, gateway.logins()), (2, 2), "{asked:?}");
    // The token is tried again, which locks no account; the password is not.
    gateway.forget();
    assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    assert_eq!(gateway.requests(), ["GET /api/types/StoragePool/instances"]);
    let said = exporter.server.soon_logged("401 even after a new sign-in");
    assert!(said.contains("powerflex prod"), "{said}");
    gateway.change(|mood| mood.accepts_no_token = false);
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    exporter.server.soon_logged("powerflex prod: answers again");
}

#[test]
fn a_wrong_password_is_not_tried_again_until_it_changes() {
    for logins in [Logins::Gateway, Logins::Native] {
        let gateway = Gateway::start(Mood {
            password: "another".to_owned(),
            logins,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
        let tried = gateway.requests().len();
        assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
        assert_eq!(gateway.requests().len(), tried, "an account is soon locked");
        let said = exporter.server.soon_logged("refused the user monitor");
        assert!(said.contains("Unauthorized"), "{said}");
        std::fs::write(exporter.folder.path().join("password"), "another").unwrap();
        assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    }
}

/// Front ends say by a page that a password is wrong, or that they do not know a path: nobody can tell which.
#[test]
fn what_may_be_a_refusal_is_not_tried_again_either() {
    const PAGE: &str = "<html>no</html>";
    for (login, answers, told) in [
        (
            "auto",
            &[("/api/login", 401), ("/rest/auth/login", 404)][..],
            "/api/login is answered with 401; /rest/auth/login is answered with 404",
        ),
        (
            "auto",
            &[("/api/login", 401), ("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
        (
            "auto",
            &[("/api/login", 403), ("/rest/auth/login", 503)],
            "/rest/auth/login is answered with 503",
        ),
        (
            "auto",
            &[("/api/login", 404), ("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
        (
            "gateway",
            &[("/api/login", 401)],
            "/api/login is answered with 401",
        ),
        (
            "native",
            &[("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
    ] {
        let instead = answers
            .iter()
            .map(|(path, status)| (*path, *status, PAGE.to_owned()));
        let gateway = Gateway::start(Mood {
            instead: instead.collect(),
            logins: Logins::Native,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let folder = tempfile::tempdir().unwrap();
        change_settings(&settings(folder.path(), &[("prod", &gateway.url())]), |system| {
            system["login"] = json!(login);
        });
        let exporter = Exporter::in_folder(folder, &["--no-cluster"]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
        let tried = gateway.requests().len();
        assert_eq!(tried, answers.len(), "{:?}", gateway.requests());
        assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
        assert_eq!(gateway.requests().len(), tried, "{login} {answers:?}");
        let said = exporter.server.soon_logged("refused the user monitor");
        assert!(said.contains(told), "{said}");
        // Whoever changes the password is heard at once.
        std::fs::write(exporter.folder.path().join("password"), "another").unwrap();
        exporter.later();
        assert_eq!(gateway.requests().len(), 2 * tried, "{login} {answers:?}");
    }
}

#[test]
fn a_front_end_that_knows_the_native_sign_in_alone() {
    for (status, body) in [
        (401, "<html>sign in</html>"),
        (403, ""),
        (501, "{\"message\": \"not here\"}"),
        (302, ""),
        (200, "<html>welcome</html>"),
    ] {
        let gateway = Gateway::start(Mood {
            instead: vec![("/api/login", status, body.to_owned())],
            logins: Logins::Native,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
    }
}

#[test]
fn access_tokens_are_renewed_before_they_run_out() {
    let gateway = Gateway::start(Mood {
        version: "4.5".to_owned(),
        logins: Logins::Native,
        expires_in: Some(2),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    exporter.page();
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    assert_eq!((gateway.logins(), gateway.renewals()), (1, 1));
}

#[test]
fn a_renewal_that_hangs_is_left_for_a_new_session() {
    let gateway = Gateway::start(Mood {
        version: "4.5".to_owned(),
        logins: Logins::Native,
        expires_in: Some(2),
        hangs_at: Some("/rest/auth/update-token"),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    exporter.page();
    // Who asks now waits for half a minute, longer than a renewal may take.
    std::thread::sleep(SHARED);
    let headers = [("X-Prometheus-Scrape-Timeout-Seconds", "30")];
    let mut prometheus = exporter.server.prometheus();
    prometheus.request("GET", "/metrics", &headers).unwrap();
    let answer = prometheus.answer(Instant::now() + Duration::from_secs(30), false);
    assert_is(powerflex_up(&Page::parse(answer.unwrap().text()), "prod"), 1.0);
    assert_eq!((gateway.logins(), gateway.renewals()), (2, 0));
}

#[test]
fn twenty_scrapes_at_once_sign_in_once() {
    let gateway = Gateway::start(Mood {
        delay: Duration::from_millis(50),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    std::thread::scope(|scope| {
        let scrapes: Vec<_> = (0..20).map(|_| scope.spawn(|| exporter.page())).collect();
        for scrape in scrapes {
            assert_is(powerflex_up(&scrape.join().unwrap(), "prod"), 1.0);
        }
    });
    assert_eq!(gateway.logins(), 1);
    assert_eq!(gateway.requests().len(), 6, "{:?}", gateway.requests());
}

#[test]
fn no_secret_is_told() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &["--log-level", "trace"]);
    let mut told = exporter.server.get("/metrics").text().to_owned();
    let tokens = gateway.tokens();
    gateway.change(|mood| mood.accepts_no_token = true);
    exporter.later();
    gateway.change(|mood| mood.password = "another".to_owned());
    exporter.later();
    // One that repeats what it was sent, to who signs in and to who has signed in.
    for (logins, status) in [
        (Logins::Gateway, 500),
        (Logins::Gateway, 401),
        (Logins::Native, 400),
        (Logins::Native, 403),
    ] {
        let echo = Gateway::start(Mood {
            logins,
            ..Mood::default()
        });
        let asked = Exporter::of(&[("echo", &echo.url())], &["--log-level", "trace"]);
        asked.page();
        echo.change(|mood| mood.repeats = Some(status));
        asked.later();
        told.push_str(asked.server.get("/").text());
        told.push_str(&asked.server.log().join("\n"));
        let echo = Gateway::start(Mood {
            logins,
            repeats: Some(status),
            ..Mood::default()
        });
        let asked = Exporter::of(&[("echo", &echo.url())], &["--log-level", "trace"]);
        asked.later();
        told.push_str(asked.server.get("/").text());
        told.push_str(&asked.server.log().join("\n"));
    }
    // One that says it as if it were an answer.
    let echo = Gateway::start(Mood {
        echoes_at: Some("/api/types/"),
        ..Mood::default()
    });
    let asked = Exporter::of(&[("echo", &echo.url())], &[]);
    asked.page();
    asked
        .server
        .soon_logged("it is of another form than it should be");
    told.push_str(asked.server.get("/").text());
    told.push_str(&asked.server.log().join("\n"));
    for token in echo.tokens() {
        use base64::Engine as _;
        let sent = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
        assert!(!told.contains(&sent) && !told.contains(&token), "{told}");
    }
    told.push_str(exporter.server.get("/").text());
    told.push_str(&String::from_utf8_lossy(exporter.server.report().bytes()));
    told.push_str(&exporter.server.log().join("\n"));
    assert!(told.contains("prod"));
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"))
    };
    assert!(!tokens.is_empty());
    for secret in tokens
        .iter()
        .chain(&gateway.tokens())
        .map(String::as_str)
        .chain([PASSWORD, &encoded])
    {
        assert!(!told.contains(secret), "{secret} is told");
    }
}
