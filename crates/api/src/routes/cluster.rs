//! `/_api/cluster`: the cluster as drivers and tools see it.

use crate::call::Call;
use crate::reply::Reply;
use base::Result;
use database::cluster::ClusterRequest;
use rt::http::Method;

pub async fn handle(call: &Call, parts: &[&str]) -> Result<Reply> {
    let request = match (call.method(), parts) {
        (&Method::GET, ["endpoints"]) => ClusterRequest::Endpoints,
        (&Method::GET, ["agency-dump"]) => {
            call.need_admin()?;
            ClusterRequest::AgencyDump
        }
        (&Method::GET, _) => return call.unknown_path(),
        _ => return call.method_not_allowed(),
    };
    Ok(Reply::object(200, call.backend().cluster(&call.cx, request).await?))
}
