//! The scheduler's own HTTP interface: `GET /process /endpoints /version /health /state`,
//! `POST /shutdown`. It reads a copy of the tasks and sends wishes; it never waits for the loop.

use crate::task::{Kind, State, Task};
use rt::http::{Handler, Method, Request, Response};
use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, watch};

/// What the interface shows.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Tasks after the last event.
    pub tasks: Vec<Task>,
    /// All tasks have answered and the cluster was initialised.
    pub complete: bool,
}

/// The interface.
pub struct Web {
    /// State, renewed by the loop.
    pub view: watch::Receiver<View>,
    /// A wish to stop.
    pub stop: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl Handler for Web {
    async fn handle(&self, request: Request) -> Response {
        let view = self.view.borrow().clone();
        match (&request.method, request.path.as_str()) {
            (&Method::GET, "/process") => Response::json(200, &process(&view)),
            (&Method::GET, "/endpoints") => Response::json(200, &endpoints(&view)),
            (&Method::GET, "/version") => Response::json(200, &json!({ "version": env!("CARGO_PKG_VERSION"), "build": "rust" })),
            (&Method::GET, "/health") => {
                let healthy = is_healthy(&view);
                Response::json(if healthy { 200 } else { 503 }, &json!({ "health": healthy }))
            }
            (&Method::GET, "/state") => Response::json(200, &json!({ "complete": view.complete, "tasks": view.tasks })),
            (&Method::POST, "/shutdown") => {
                // A full queue already holds such a wish.
                let _ = self.stop.try_send(());
                Response::json(200, &json!({ "ok": true }))
            }
            (_, "/process" | "/endpoints" | "/version" | "/health" | "/state" | "/shutdown") => {
                Response::json(405, &json!({ "error": "method not allowed" }))
            }
            _ => Response::json(404, &json!({ "error": "unknown path" })),
        }
    }
}

fn is_healthy(view: &View) -> bool {
    view.complete && view.tasks.iter().all(|task| task.state == State::Running)
}

fn process(view: &View) -> Json {
    let server = |task: &Task| {
        json!({
            "type": task.kind.public_name(), "name": task.name, "ip": task.node, "port": task.port, "is-secure": false,
            "pid": task.process.map(|process| process.pid), "state": task.state,
        })
    };
    let servers: Vec<Json> = view.tasks.iter().filter(|task| task.is_up()).map(server).collect();
    json!({ "servers-started": view.complete, "servers": servers })
}

fn endpoints(view: &View) -> Json {
    let of = |kind: Kind| view.tasks.iter().filter(|task| task.kind == kind).map(Task::url).collect::<Vec<_>>();
    json!({ "agents": of(Kind::Agent), "dbservers": of(Kind::Primary), "secondaries": of(Kind::Secondary), "coordinators": of(Kind::Coordinator), "single": of(Kind::Single) })
}
