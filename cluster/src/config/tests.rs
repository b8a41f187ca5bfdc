//! Where a setting comes from, and what is said when it is wrong.

use std::collections::HashMap;

use super::*;

fn with(args: &[&str], environment: &[(&str, &str)]) -> Result<Cli, Refusal> {
    let environment: HashMap<_, _> =
        environment.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    parse(["branchline"].iter().chain(args), move |name| environment.get(name).cloned())
}

fn config(args: &[&str]) -> Config {
    with(args, &[]).expect("a configuration").config
}

/// A file that is gone when the test is.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("branchline-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&path, text).expect("written");
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_node_starts_without_any_setting() {
    let config = config(&[]);
    assert_eq!(config.http.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store().url(), "sqlite:branchline-data/branchline.db");
    assert_eq!((config.cache.scheme(), config.bus.url()), ("memory", "memory:"));
    assert_eq!(config.rtp, Ports { first: 20_000, last: 20_999 });
    assert!(config.serves("call-manager") && config.serves("gateway"));
    assert!(!config.node().is_empty() && config.destinations.is_empty() && config.tls().is_none());
    assert_eq!((config.call_seconds, config.retention_days, config.stop_seconds), (3600, 30, 30));
    assert_eq!(config.customer_rate, Rate { per_second: 16.7, burst: 33 });
    assert!(config.speech().endpoint.is_none());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file =
        File::new("http = '127.0.0.1:1'\nsip = '127.0.0.1:2'\ngrpc = '127.0.0.1:3'\ncall-seconds = 7\n");
    let environment = [("BRANCHLINE_HTTP", "127.0.0.1:11"), ("BRANCHLINE_SIP", "127.0.0.1:12")];
    let args = ["--config", file.path(), "--http", "127.0.0.1:111"];
    let config = with(&args, &environment).expect("a configuration").config;
    let ports = [config.http, config.sip, config.grpc].map(|address| address.port());
    assert_eq!((ports, config.call_seconds, config.retention_days), ([111, 12, 3], 7, 30));
    let by_environment = with(&[], &[("BRANCHLINE_CONFIG", file.path())]).expect("a configuration");
    assert_eq!(by_environment.config.call_seconds, 7);
}

#[test]
fn lists_are_replaced_not_added_to() {
    let file =
        File::new("serve = ['call-manager', 'gateway']\ndestinations = [1, '+44']\nallow_private = '::1'\n");
    let config = with(&["--config", file.path()], &[]).expect("a configuration").config;
    assert_eq!(config.serve, ["call-manager", "gateway"]);
    assert!(config.serves("gateway") && !config.serves("tag-manager"));
    assert_eq!((config.destinations, config.allow_private.len()), (vec!["1".to_owned(), "44".to_owned()], 1));
    let args = [
        "--config",
        file.path(),
        "--serve",
        "tag-manager",
        "--allow-private",
        "10.0.0.0/8",
        "--allow-private",
        "::1",
    ];
    let config = with(&args, &[("BRANCHLINE_DESTINATIONS", "49")]).expect("a configuration").config;
    assert_eq!(config.serve, ["tag-manager"]);
    assert_eq!((config.destinations, config.allow_private.len()), (vec!["49".to_owned()], 2));
}

#[test]
fn a_command_takes_the_settings_on_either_side() {
    for args in [["--sip", "127.0.0.1:9", "demo", "--stay"], ["demo", "--stay", "--sip", "127.0.0.1:9"]] {
        let environment = [("BRANCHLINE_SIP", "127.0.0.1:1"), ("BRANCHLINE_GRPC", "127.0.0.1:2")];
        let cli = with(&args, &environment).expect("a configuration");
        assert!(matches!(cli.command, Some(Command::Demo { stay: true })));
        assert_eq!((cli.config.sip.port(), cli.config.grpc.port()), (9, 2));
    }
    let cli = with(&["tree"], &[("BRANCHLINE_ADMIN_TOKEN", "t0ken")]).expect("a configuration");
    let Some(Command::Tree { admin, .. }) = cli.command else { panic!("no tree") };
    assert_eq!(admin.operator(&cli.config, None).url, "http://127.0.0.1:8081");
    assert_eq!(admin.token(&cli.config).map(Secret::expose), Some("t0ken"));
    let cli = with(&["calls", "--admin", "https://n1:8081"], &[]).expect("a configuration");
    let Some(Command::Calls { admin, watch: false, .. }) = cli.command else { panic!("no calls") };
    assert_eq!(admin.operator(&cli.config, None).url, "https://n1:8081");
}

const BAD: [(&str, &str); 23] = [
    ("--http", "8080"),
    ("--sip", "localhost:5060"),
    ("--external-ip", "me"),
    ("--rtp", "20001-20999"),
    ("--rtp", "20000-20001"),
    ("--rtp", "80-90"),
    ("--store", "branchline.db"),
    ("--serve", "a b"),
    ("--serve", ""),
    ("--node", "a/b"),
    ("--domain", "-.x"),
    ("--allow-private", "localhost"),
    ("--destinations", "abc"),
    ("--destinations", "0044"),
    ("--call-seconds", "0"),
    ("--retention-days", "-1"),
    ("--speech-url", "ftp://x"),
    ("--speech-key", "a b"),
    ("--log", "cluster=loud"),
    ("--log-format", "xml"),
    ("--stop-seconds", "soon"),
    ("--customer-rate", "17"),
    ("--auth-rate", "-1/2"),
];

#[test]
fn a_bad_value_is_one_line_that_names_the_flag() {
    for (flag, value) in BAD {
        let check = |refusal: Refusal| {
            assert_eq!(refusal.code, 2, "{flag} {value}");
            assert!(
                refusal.message.starts_with("error: ") && refusal.message.contains(flag),
                "{}",
                refusal.message
            );
            assert_eq!(refusal.message.lines().count(), 1, "{}", refusal.message);
        };
        check(with(&[&format!("{flag}={value}")], &[]).expect_err(flag));
        if !value.is_empty() {
            let name = format!("BRANCHLINE_{}", flag[2..].to_uppercase().replace('-', "_"));
            check(with(&[], &[(&name, value)]).expect_err(flag));
            let file = File::new(&format!("{} = {value:?}\n", &flag[2..]));
            check(with(&["--config", file.path()], &[]).expect_err(flag));
        }
    }
}

#[test]
fn wrong_usage_and_wrong_files_are_one_line_too() {
    let files = ["nonsense = 1", "http = ", "http = true", "config = 'x'", "[http]\na = 1"].map(File::new);
    let mut cases: Vec<Vec<&str>> = files.iter().map(|file| vec!["--config", file.path()]).collect();
    cases.extend([vec!["--config", "/nowhere.toml"], vec!["--nonsense"], vec!["fly"]]);
    cases.extend([vec!["--tls-cert", "x"], vec!["--tls-key", "x"]]);
    cases.extend([vec!["--grpc-cert", "x"], vec!["--grpc-key", "x"], vec!["--grpc-client-ca", "x"]]);
    for args in cases {
        let refusal = with(&args, &[]).expect_err("refused");
        assert_eq!((refusal.code, refusal.message.lines().count()), (2, 1), "{args:?}: {}", refusal.message);
        assert!(refusal.message.starts_with("error: "), "{}", refusal.message);
    }
}

#[test]
fn every_command_explains_itself() {
    <Cli as clap::CommandFactory>::command().debug_assert();
    for command in ["demo", "tree", "top", "calls", "events", "drain", "restart", "kill", "replay", "log"] {
        assert_eq!(with(&[command, "--help"], &[]).expect_err("help").code, 0, "{command}");
    }
}

#[test]
fn help_explains_every_flag() {
    let help = with(&["--help"], &[("BRANCHLINE_SPEECH_KEY", "sk-secret")]).expect_err("help");
    assert_eq!(help.code, 0);
    assert!(!help.message.contains("sk-secret"));
    for arg in <Cli as clap::CommandFactory>::command().get_arguments() {
        let flag = arg.get_long().expect("a flag");
        assert!(help.message.contains(&format!("--{flag}")), "{flag}");
        assert!(arg.get_help().is_some(), "{flag} is not explained");
    }
    assert_eq!(with(&["--version"], &[]).expect_err("version").code, 0);
}

#[test]
fn secrets_are_not_printed() {
    let args = ["--speech-url", "http://tts", "--speech-key", "sk-secret", "--admin-token", "t0ken"];
    let more = ["--store", "mysql://me:pa@ss@host/db", "--bus", "amqp://me:pass@host"];
    let more = [&more[..], &["--cache", "redis://me:pa@ss@host/0"]].concat();
    let cli = with(&[&args[..], &more].concat(), &[]).expect("a configuration");
    let printed = format!("{cli:?} {:?} {}", cli.config.speech(), cli.config.store());
    for secret in ["sk-secret", "t0ken", "pa@ss", "pass", "me:"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(printed.contains("mysql://***@host/db"), "{printed}");
    let endpoint = cli.config.speech().endpoint.expect("an endpoint");
    assert_eq!(endpoint.key.as_ref().map(Secret::expose), Some("sk-secret"));
    assert_eq!(cli.config.speech().voice, "alloy");
    // Nor when they are wrong.
    for (flag, value) in
        [("--speech-key", "sk secret"), ("--admin-token", "sk secret"), ("--store", "sk secret")]
    {
        let refusal = with(&[flag, value], &[]).expect_err("refused");
        assert!(!refusal.message.contains("sk secret"), "{}", refusal.message);
    }
}

#[test]
fn pods_are_chosen_by_a_label_selector() {
    assert_eq!(config(&[]).pods, None);
    let selector = "app in (call, flow),!canary";
    assert_eq!(config(&["--pods", selector]).pods.as_deref(), Some(selector));
    let refused = with(&["--pods", "app=\"call\""], &[]).expect_err("no selector");
    assert!(refused.message.contains("it must be a label selector"), "{}", refused.message);
}
