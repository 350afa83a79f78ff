//! A metrics-server: an API of its own behind a real API server, which asks it over TLS for those who have the right.

use std::convert::Infallible;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

use super::api_server::ApiServer;

/// The API server takes up a new API within seconds, and looks every half minute whether it is still there.
const TAKEN_UP: Duration = Duration::from_secs(90);

const APIS: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const ROOT: &str = "/apis/metrics.k8s.io/v1beta1";

/// What it says.
#[derive(Debug, Default)]
struct Figures {
    nodes: Vec<Value>,
    pods: Vec<Value>,
    /// A status in place of figures.
    refuses: Option<u16>,
}

/// A metrics-server, on a thread of its own until it is dropped.
pub struct MetricsServer {
    figures: Arc<Mutex<Figures>>,
    port: u16,
    _stop: watch::Sender<()>,
}

/// A NodeMetrics.
pub fn node_metrics(name: &str, cpu: &str, memory: &str) -> Value {
    json!({"kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {"name": name},
           "timestamp": now(), "window": "20.02s", "usage": {"cpu": cpu, "memory": memory}})
}

/// A PodMetrics of one container, `main`.
pub fn pod_metrics(namespace: &str, name: &str, cpu: &str, memory: &str) -> Value {
    json!({"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {"name": name, "namespace": namespace},
           "timestamp": now(), "window": "15.009s", "containers": [{"name": "main", "usage": {"cpu": cpu, "memory": memory}}]})
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    let whole = now.as_second();
    jiff::Timestamp::from_second(whole).unwrap().to_string()
}

impl MetricsServer {
    /// Starts one, and has the API server know it as `metrics.k8s.io/v1beta1`.
    pub async fn install(api: &ApiServer) -> Self {
        let [certificate, key, authority] = api.certificate_for("metrics-server.kube-system.svc");
        let figures: Arc<Mutex<Figures>> = Arc::default();
        let (stop, stopped) = watch::channel(());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = acceptor(&certificate, &key);
        let told = Arc::clone(&figures);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listener, acceptor, told, stopped));
        });
        let server = Self {
            figures,
            port,
            _stop: stop,
        };
        server.register(api, &authority).await;
        server
    }

    async fn register(&self, api: &ApiServer, authority: &Path) {
        // There is no network of services here: the API server is told where it is by a name of its own.
        let service = json!({"metadata": {"name": "metrics-server"},
            "spec": {"type": "ExternalName", "externalName": "127.0.0.1", "ports": [{"port": self.port}]}});
        api.create("/api/v1/namespaces/kube-system/services", &service)
            .await;
        let bundle = STANDARD.encode(std::fs::read(authority).unwrap());
        let definition = json!({
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                     "service": {"namespace": "kube-system", "name": "metrics-server", "port": self.port},
                     "caBundle": bundle},
        });
        api.create(APIS, &definition).await;
        // It takes the API up in two steps: its own word that it is available is not enough.
        let client = kube::Client::try_from(api.config("admin")).unwrap();
        let started = std::time::Instant::now();
        while let Err(error) = client.list_api_group_resources("metrics.k8s.io/v1beta1").await {
            assert!(started.elapsed() < TAKEN_UP, "not taken up: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes the API away again.
    pub async fn uninstall(self, api: &ApiServer) {
        api.delete(&format!("{APIS}/v1beta1.metrics.k8s.io")).await;
    }

    /// What it says from now on.
    pub fn says(&self, nodes: Vec<Value>, pods: Vec<Value>) {
        let mut figures = self.figures.lock().unwrap();
        figures.nodes = nodes;
        figures.pods = pods;
    }

    /// Has it answer lists with this status, or with figures again.
    pub fn refuses(&self, status: Option<u16>) {
        self.figures.lock().unwrap().refuses = status;
    }
}

fn acceptor(certificate: &Path, key: &Path) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    figures: Arc<Mutex<Figures>>,
    mut stopped: watch::Receiver<()>,
) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (acceptor, figures) = (acceptor.clone(), Arc::clone(&figures));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer(request.uri().path(), &figures.lock().unwrap());
                async move { Ok::<_, Infallible>(response) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(path: &str, figures: &Figures) -> Response<Full<Bytes>> {
    let list = |kind: &str, items: Vec<&Value>| {
        let list =
            json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items});
        (200, list)
    };
    let (status, body) = match (path.strip_prefix(ROOT), figures.refuses) {
        (Some(""), _) => {
            let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]});
            (
                200,
                json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
                       "resources": [resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)]}),
            )
        }
        (Some(_), Some(status)) => (
            status,
            json!({"kind": "Status", "message": "no figures now", "code": status}),
        ),
        (Some("/nodes"), None) => list("NodeMetricsList", figures.nodes.iter().collect()),
        (Some("/pods"), None) => list("PodMetricsList", figures.pods.iter().collect()),
        (Some(rest), None) => {
            let namespace = rest
                .strip_prefix("/namespaces/")
                .and_then(|rest| rest.strip_suffix("/pods"));
            let of_it = |pod: &&Value| pod["metadata"]["namespace"].as_str() == namespace;
            list("PodMetricsList", figures.pods.iter().filter(of_it).collect())
        }
        (None, _) => (404, json!({"kind": "Status", "code": 404})),
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}
