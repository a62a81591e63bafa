//! The option parser against the request's command lines and ArangoDB's habits.

use super::*;

fn read(line: &str) -> Result<Options, Refusal> {
    let arguments: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    Options::read(&arguments, &[])
}

fn options(line: &str) -> Options {
    read(line).unwrap_or_else(|refusal| panic!("{line}: {}", refusal.message))
}

#[test]
fn agents_of_the_request() {
    for (port, directory) in [("5001", "agency1"), ("5002", "agency2"), ("5003", "agency3")] {
        let parsed = options(&format!(
            "--server.endpoint tcp://0.0.0.0:{port} --agency.my-address=tcp://127.0.0.1:{port} --server.authentication false \
             --agency.activate true --agency.size 3 --agency.endpoint tcp://127.0.0.1:5001 --agency.supervision true \
             --database.directory {directory} "
        ));
        assert_eq!(parsed.list("server.endpoint"), [format!("tcp://0.0.0.0:{port}")]);
        assert_eq!(parsed.text("agency.my-address"), format!("tcp://127.0.0.1:{port}"));
        assert!(!parsed.flag("server.authentication"));
        assert!(parsed.flag("agency.activate") && parsed.flag("agency.supervision"));
        assert_eq!(parsed.number("agency.size"), 3);
        assert_eq!(parsed.list("agency.endpoint"), ["tcp://127.0.0.1:5001"]);
        assert_eq!(parsed.text("database.directory"), directory);
    }
}

#[test]
fn fragments_of_the_request() {
    assert!(options("--agency.activate true").flag("agency.activate"));
    assert_eq!(options("--agency.size 3 ").number("agency.size"), 3);
    assert_eq!(options("--agency.endpoint tcp://127.0.0.1:5001").list("agency.endpoint"), ["tcp://127.0.0.1:5001"]);
    assert_eq!(options("--agency.my-address=tcp://127.0.0.1:5003").text("agency.my-address"), "tcp://127.0.0.1:5003");
    assert_eq!(options("--cluster.my-local-info db1").text("cluster.my-local-info"), "db1");
    assert_eq!(options("--cluster.my-address tcp://127.0.0.1:8530").text("cluster.my-address"), "tcp://127.0.0.1:8530");
    let role = ["--cluster.my-role", "PRIMARY(DB Server)/COORDINATOR(对外服务)"].map(str::to_owned);
    assert_eq!(Options::read(&role, &[]).unwrap().text("cluster.my-role"), role[1]);
}

#[test]
fn servers_of_the_request() {
    let agency = "--cluster.agency-endpoint tcp://127.0.0.1:5001 --cluster.agency-endpoint tcp://127.0.0.1:5002 \
                  --cluster.agency-endpoint tcp://127.0.0.1:5003";
    for (port, info, role, directory) in
        [("8529", "db1", "PRIMARY", "primary1"), ("8530", "db2", "PRIMARY", "primary2"), ("8531", "coord1", "COORDINATOR", "coordinator")]
    {
        let parsed = options(&format!(
            "--server.authentication=false --server.endpoint tcp://0.0.0.0:{port} --cluster.my-address tcp://127.0.0.1:{port} \
             --cluster.my-local-info {info} --cluster.my-role {role} {agency} --database.directory {directory}"
        ));
        assert!(!parsed.flag("server.authentication"));
        assert_eq!(parsed.text("cluster.my-role"), role);
        assert_eq!(parsed.text("cluster.my-local-info"), info);
        assert_eq!(parsed.list("cluster.agency-endpoint").len(), 3);
        assert_eq!(parsed.text("database.directory"), directory);
    }
    for number in [1, 2] {
        let parsed = options(&format!(
            "--server.authentication=false --server.endpoint tcp://0.0.0.0:86{number}9 --cluster.my-id Secondary00{number} \
             --cluster.my-address tcp://127.0.0.1:86{number}9 {agency} secondary{number}"
        ));
        assert_eq!(parsed.text("cluster.my-id"), format!("Secondary00{number}"));
        assert_eq!(parsed.text("database.directory"), format!("secondary{number}"));
        assert_eq!(parsed.text("cluster.my-role"), "");
    }
}

#[test]
fn booleans_with_and_without_value() {
    assert!(options("--server.authentication data").flag("server.authentication"));
    assert_eq!(options("--server.authentication data").text("database.directory"), "data");
    for (word, flag) in [("yes", true), ("On", true), ("1", true), ("no", false), ("off", false), ("0", false)] {
        assert_eq!(options(&format!("--server.authentication {word}")).flag("server.authentication"), flag);
    }
    assert_eq!(read("--server.authentication=perhaps").unwrap_err().exit_code, EXIT_INVALID_VALUE);
}

#[test]
fn an_unknown_option_is_named_with_the_nearest_known_one() {
    let refusal = read("--server.endpiont tcp://127.0.0.1:1").unwrap_err();
    assert_eq!(refusal.exit_code, 1);
    assert_eq!(refusal.message, "unknown option '--server.endpiont', did you mean '--server.endpoint'?");
    assert!(!refusal.message.contains('\n'));
}

#[test]
fn obsolete_and_renamed_options_are_accepted() {
    let parsed = options("--agency.id 0 --agency.notify true --wal.logfile-size 1000 --scheduler.threads=3 --ldap.enabled true data");
    assert_eq!(parsed.text("database.directory"), "data");
    assert_eq!(options("--server.threads 7").number("server.maximal-threads"), 7);
    assert!(options("--frontend.version-check false").is_given("web-interface.version-check"));
    assert_eq!(options("--log error").list("log.level"), ["error"]);
}

#[test]
fn numbers_have_bounds_and_units() {
    assert_eq!(options("--query.memory-limit 64MiB").number("query.memory-limit"), 64 << 20);
    assert_eq!(options("--query.memory-limit 2gb").number("query.memory-limit"), 2_000_000_000);
    assert_eq!(read("--agency.size -1").unwrap_err().exit_code, EXIT_INVALID_VALUE);
    assert_eq!(read("--agency.size three").unwrap_err().exit_code, EXIT_INVALID_VALUE);
    assert_eq!(read("--agency.size").unwrap_err().exit_code, EXIT_INVALID_VALUE);
    assert_eq!(read("--tcp.backlog-size 99999999999999999999999").unwrap_err().exit_code, EXIT_INVALID_VALUE);
    assert_eq!(options("").number("agency.size"), 1);
    assert_eq!(options("--ttl.frequency 5").number("ttl.frequency"), 5);
}

#[test]
fn only_one_directory() {
    assert_eq!(read("a b").unwrap_err().exit_code, 1);
    assert_eq!(read("--database.directory a b").unwrap_err().exit_code, 1);
    assert_eq!(options("--database.directory a a").text("database.directory"), "a");
}

#[test]
fn the_last_scalar_wins_and_lists_append() {
    assert_eq!(options("--agency.size 3 --agency.size 5").number("agency.size"), 5);
    assert_eq!(options("--log.level info --log.level agency=debug").list("log.level"), ["info", "agency=debug"]);
    assert_eq!(options("").list("log.level"), ["info"]);
}

#[test]
fn configuration_files() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("arangod.conf");
    std::fs::write(folder.path().join("more.conf"), "[log]\nlevel = queries = debug\n").unwrap();
    let text = "# comment\nagency.size = 5\n@include more\n[server]\nendpoint = tcp://127.0.0.1:1\nendpoint = tcp://127.0.0.1:2\n\
                authentication = off\n[database]\ndirectory = @WHERE@/data@@x\n[wal]\nlogfile-size = 7\n";
    std::fs::write(&main, text).unwrap();
    let arguments = |more: &[&str]| -> Vec<String> {
        ["-c", main.to_str().unwrap(), "--define", "WHERE=/somewhere"].iter().chain(more).map(|&part| part.to_owned()).collect()
    };
    let parsed = Options::read(&arguments(&[]), &[]).unwrap();
    assert_eq!(parsed.list("server.endpoint"), ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]);
    assert!(!parsed.flag("server.authentication"));
    assert_eq!(parsed.text("database.directory"), "/somewhere/data@x");
    assert_eq!(parsed.list("log.level"), ["queries = debug"]);
    let parsed = Options::read(&arguments(&["--server.endpoint", "tcp://127.0.0.1:3"]), &[]).unwrap();
    assert_eq!(parsed.list("server.endpoint"), ["tcp://127.0.0.1:3"]);
    assert_eq!(parsed.number("agency.size"), 5);

    std::fs::write(&main, "[server]\nendpiont = x\n").unwrap();
    let refusal = Options::read(&arguments(&[]), &[]).unwrap_err();
    assert!(refusal.message.contains("arangod.conf:2: unknown option"), "{}", refusal.message);
    assert_eq!(read("-c /nowhere/at/all.conf").unwrap_err().exit_code, EXIT_CONFIG_NOT_FOUND);
    assert!(read("-c none").is_ok());
    std::fs::write(&main, "@include arangod\n").unwrap();
    assert_eq!(Options::read(&arguments(&[]), &[]).unwrap_err().exit_code, EXIT_CONFIG_NOT_FOUND);
}
