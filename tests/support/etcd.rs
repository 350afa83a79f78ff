//! What an API server keeps its objects in, spoken to directly: to lay ten thousand objects in seconds, to change them
//! while the API server is away, and to forget history.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};

/// Operations in one transaction; etcd takes 128.
const AT_ONCE: usize = 50;

/// A client of etcd's gateway for JSON.
pub struct Etcd {
    client: Client,
}

impl Etcd {
    /// Of the etcd on this port.
    pub fn at(port: u16) -> Self {
        let config = Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
        Self {
            client: Client::try_from(config).unwrap(),
        }
    }

    /// Lays objects below the API server's keys: `persistentvolumes/pv-1`. They are not checked and not completed.
    pub async fn put(&self, objects: &[(String, Value)]) {
        for some in objects.chunks(AT_ONCE) {
            let operations: Vec<Value> = some
                .iter()
                .map(|(place, object)| {
                    json!({"request_put": {"key": key(place), "value": STANDARD.encode(object.to_string())}})
                })
                .collect();
            self.ask("kv/txn", &json!({"success": operations})).await;
        }
    }

    /// Takes an object away, as if it had never been.
    pub async fn delete(&self, place: &str) {
        let said = self.ask("kv/deleterange", &json!({"key": key(place)})).await;
        assert_eq!(said["deleted"], "1", "{place}: {said}");
    }

    /// Forgets everything but the present.
    pub async fn compact(&self) {
        let said = self.ask("kv/range", &json!({"key": key("nothing")})).await;
        let revision = &said["header"]["revision"];
        self.ask("kv/compaction", &json!({"revision": revision, "physical": true}))
            .await;
    }

    async fn ask(&self, what: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v3/{what}"))
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert!(
            status.is_success(),
            "etcd: {what}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

fn key(place: &str) -> String {
    STANDARD.encode(format!("/registry/{place}"))
}
