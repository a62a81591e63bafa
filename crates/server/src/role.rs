//! Which role the options ask for.

use crate::options::Options;
use database::backend::Role;
use rt::endpoint::Endpoint;

/// The role, or one line that says what does not fit together.
pub fn determine(options: &Options) -> Result<Role, String> {
    let in_cluster = !options.list("cluster.agency-endpoint").is_empty();
    if options.flag("agency.activate") {
        check_agent(options)?;
        if in_cluster {
            return Err("an agent cannot be a member of a cluster at the same time (--agency.activate, --cluster.agency-endpoint)".into());
        }
        return Ok(Role::Agent);
    }
    let role = match options.text("cluster.my-role").to_ascii_uppercase().as_str() {
        "COORDINATOR" => Role::Coordinator,
        "PRIMARY" | "DBSERVER" => Role::DbServer,
        // Compat: a secondary's role follows from the agency, which knows it by its id.
        "" if in_cluster && !options.text("cluster.my-id").is_empty() => Role::Secondary,
        "SECONDARY" if in_cluster && !options.text("cluster.my-id").is_empty() => Role::Secondary,
        "" if in_cluster => return Err("--cluster.my-role is missing (COORDINATOR or DBSERVER)".into()),
        "" | "SINGLE" if !in_cluster => return Ok(Role::Single),
        other => return Err(format!("'{other}' is no value for '--cluster.my-role': COORDINATOR, DBSERVER (or PRIMARY), SINGLE expected")),
    };
    if !in_cluster {
        return Err("--cluster.agency-endpoint is missing: a member of a cluster needs to know its agents".into());
    }
    let address = options.text("cluster.my-address");
    if address.is_empty() {
        return Err("--cluster.my-address is missing: the other servers must know where to reach this one".into());
    }
    for endpoint in options.list("cluster.agency-endpoint").into_iter().chain([address]) {
        Endpoint::parse(endpoint).map_err(|error| error.message().to_owned())?;
    }
    Ok(role)
}

fn check_agent(options: &Options) -> Result<(), String> {
    let size = options.number("agency.size");
    if size.is_multiple_of(2) {
        return Err(format!("'{size}' is no value for '--agency.size': the number of agents must be odd"));
    }
    let address = options.text("agency.my-address");
    if size > 1 && address.is_empty() {
        return Err("--agency.my-address is missing: the other agents must know where to reach this one".into());
    }
    let known = options.list("agency.endpoint");
    if size > 1 && known.is_empty() {
        return Err("--agency.endpoint is missing: at least one agent must be known".into());
    }
    for endpoint in known.into_iter().chain((!address.is_empty()).then_some(address)) {
        Endpoint::parse(endpoint).map_err(|error| error.message().to_owned())?;
    }
    let (least, most) = (options.double("agency.election-timeout-min"), options.double("agency.election-timeout-max"));
    if least < 0.0 || (most > 0.0 && most <= least) {
        return Err("--agency.election-timeout-max must be greater than --agency.election-timeout-min".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(line: &str) -> Result<Role, String> {
        let arguments: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        determine(&Options::read(&arguments, &[]).unwrap())
    }

    #[test]
    fn roles_of_the_request() {
        let agency = "--cluster.agency-endpoint tcp://127.0.0.1:5001";
        let me = "--cluster.my-address tcp://127.0.0.1:8529";
        assert_eq!(role("data"), Ok(Role::Single));
        let agent =
            "--agency.activate true --agency.size 3 --agency.my-address=tcp://127.0.0.1:5001 --agency.endpoint tcp://127.0.0.1:5001";
        assert_eq!(role(agent), Ok(Role::Agent));
        assert_eq!(role("--agency.activate --agency.size 1 data"), Ok(Role::Agent));
        assert_eq!(role(&format!("--cluster.my-role PRIMARY {me} {agency}")), Ok(Role::DbServer));
        assert_eq!(role(&format!("--cluster.my-role DBSERVER {me} {agency}")), Ok(Role::DbServer));
        assert_eq!(role(&format!("--cluster.my-role COORDINATOR {me} {agency}")), Ok(Role::Coordinator));
        assert_eq!(role(&format!("--cluster.my-id Secondary001 {me} {agency}")), Ok(Role::Secondary));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for line in [
            "--agency.activate true --agency.size 4 --agency.my-address tcp://h:1 --agency.endpoint tcp://h:1",
            "--agency.activate true --agency.size 3 --agency.endpoint tcp://h:1",
            "--agency.activate true --agency.size 3 --agency.my-address tcp://h:1",
            "--cluster.my-role PRIMARY",
            "--cluster.my-role PRIMARY --cluster.agency-endpoint tcp://h:1",
            "--cluster.my-role WHATEVER --cluster.agency-endpoint tcp://h:1 --cluster.my-address tcp://h:2",
            "--cluster.agency-endpoint tcp://h:1 --cluster.my-address tcp://h:2",
            "--cluster.my-role PRIMARY --cluster.agency-endpoint odd://h:1 --cluster.my-address tcp://h:2",
        ] {
            let refused = role(line).unwrap_err();
            assert!(!refused.contains('\n'), "{refused}");
        }
    }
}
