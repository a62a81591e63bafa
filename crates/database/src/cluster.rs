//! What an administrator may ask of a cluster; single servers answer 403 or 501.

use serde_json::Value as Json;

/// A cluster-wide wish of an administrator (`/_admin/cluster/…`).
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterRequest {
    /// `GET health`.
    Health,
    /// `GET numberOfServers`.
    NumberOfServers,
    /// `PUT numberOfServers`.
    SetNumberOfServers(Json),
    /// `POST cleanOutServer {server}`.
    CleanOutServer(String),
    /// `POST resignLeadership {server}`.
    ResignLeadership(String),
    /// `POST removeServer`.
    RemoveServer(String),
    /// `POST moveShard`.
    MoveShard {
        /// Database.
        database: String,
        /// Collection name.
        collection: String,
        /// Shard name.
        shard: String,
        /// Id or short name.
        from_server: String,
        /// Id or short name.
        to_server: String,
    },
    /// `GET queryAgencyJob?id=`.
    QueryJob(String),
    /// `GET shardDistribution`.
    ShardDistribution {
        /// Database.
        database: String,
    },
    /// `PUT maintenance`: seconds, or `None` to end it.
    Maintenance(Option<u64>),
    /// `PUT replaceSecondary` (S78).
    ReplaceSecondary {
        /// Id or short name of the primary.
        primary: String,
        /// Present secondary or `none`.
        old_secondary: String,
        /// New secondary or `none`.
        new_secondary: String,
    },
    /// `GET getSecondary?primary=`.
    GetSecondary {
        /// Id or short name of the primary.
        primary: String,
    },
    /// `PUT swapPrimaryAndSecondary`.
    SwapPrimaryAndSecondary {
        /// Id or short name of the primary.
        primary: String,
        /// Its secondary.
        secondary: String,
    },
    /// `GET /_api/cluster/agency-dump`.
    AgencyDump,
    /// `GET /_api/cluster/endpoints`.
    Endpoints,
}
