//! The administrator of a cluster on one connection: a handshake for each request would be most of what it costs.

use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};

/// A client that keeps its connection. Every answer must be a success.
#[derive(Clone)]
pub struct Administrator {
    client: Client,
}

impl Administrator {
    /// With the administrator's own credentials.
    pub fn new(config: Config) -> Self {
        Self {
            client: Client::try_from(config).unwrap(),
        }
    }

    /// One request.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let sort = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("content-type", sort)
            .body(Body::from(
                body.map_or_else(Vec::new, |body| body.to_string().into_bytes()),
            ))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        assert!(status.is_success(), "{method} {path}: {status} {said:#}");
        said
    }

    /// Makes an object of this kind's path: `/api/v1/persistentvolumes`.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        self.ask(Method::POST, path, Some(object)).await
    }

    /// Changes an object.
    pub async fn patch(&self, path: &str, change: &Value) -> Value {
        self.ask(Method::PATCH, path, Some(change)).await
    }

    /// Deletes an object at once.
    pub async fn delete(&self, path: &str) {
        let at_once = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        self.ask(Method::DELETE, path, Some(&at_once)).await;
    }
}
