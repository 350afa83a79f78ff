//! A real Kubernetes API server on loopback, with its own etcd, certificates and role-based access control.
//!
//! `tests/api-server/build.sh` says where the programs are, and makes them where there are none.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyper::Method;
use kube::Config;
use rustix::process::{Pid, Signal};
use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::administrator::Administrator;
use super::etcd::Etcd;
use super::kubeconfig::kubeconfig;
use super::openssl::{AUTHORITY, NEW_KEY, NO_AUTHORITY, openssl};

/// How long etcd and the API server may take to start.
const START: Duration = Duration::from_secs(120);

/// Who does everything in these tests.
pub const ADMIN: &str = "admin";

/// An API server, ended when dropped. Its data stay while the value lives, so that it can be stopped and started again.
#[derive(Debug)]
pub struct ApiServer {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    etcd_port: u16,
    etcd: Option<Child>,
    server: Option<Child>,
}

impl ApiServer {
    /// Starts one that has nobody but an administrator, and these users, whose names are their tokens.
    pub fn start(users: &[&str]) -> Self {
        let built = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api-server/build.sh"))
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/api-server/build.sh cannot be run");
        assert!(built.status.success(), "tests/api-server/build.sh failed");
        let programs = PathBuf::from(String::from_utf8_lossy(&built.stdout).trim());
        let folder = tempfile::tempdir().unwrap();
        make_certificates(folder.path());
        let mut tokens = format!("{ADMIN},{ADMIN},{ADMIN},\"system:masters\"\n");
        tokens.extend(users.iter().map(|user| format!("{user},{user},{user}\n")));
        fs::write(folder.path().join("tokens.csv"), tokens).unwrap();
        let mut server = Self {
            folder,
            programs,
            port: free_port(),
            etcd_port: free_port(),
            etcd: None,
            server: None,
        };
        server.start_etcd();
        server.start_again();
        server
    }

    fn start_etcd(&mut self) {
        let clients = format!("http://127.0.0.1:{}", self.etcd_port);
        let peers = format!("http://127.0.0.1:{}", free_port());
        let child = self.spawn(
            "etcd",
            &[
                "--name=test".into(),
                format!("--data-dir={}", self.folder.path().join("etcd").display()),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=test={peers}"),
                "--unsafe-no-fsync".into(),
                // Larger than any object that a real server takes.
                "--max-request-bytes=33554432".into(),
            ],
        );
        self.etcd = Some(child);
    }

    /// Starts the API server, on the same port as before, and waits until it is ready.
    pub fn start_again(&mut self) {
        let folder = self.folder.path().to_owned();
        let file = |name: &str| folder.join(name).display().to_string();
        let child = self.spawn(
            "kube-apiserver",
            &[
                format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                format!("--secure-port={}", self.port),
                format!("--tls-cert-file={}", file("server.crt")),
                format!("--tls-private-key-file={}", file("server.key")),
                format!("--token-auth-file={}", file("tokens.csv")),
                "--authorization-mode=RBAC".into(),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-account-key-file={}", file("accounts.pub")),
                format!("--service-account-signing-key-file={}", file("accounts.key")),
                "--service-cluster-ip-range=10.96.0.0/16".into(),
                // Pods of these tests have no accounts, and nobody makes any.
                "--disable-admission-plugins=ServiceAccount".into(),
                // Where an API server listens on loopback it cannot tell the cluster so.
                "--endpoint-reconciler-type=none".into(),
                format!("--cert-dir={}", file("unused")),
            ],
        );
        self.server = Some(child);
        let ready = format!("https://127.0.0.1:{}/readyz", self.port);
        super::within(START, || {
            for (name, child) in [("etcd", &mut self.etcd), ("kube-apiserver", &mut self.server)] {
                if let Some(child) = child
                    && let Ok(Some(status)) = child.try_wait()
                {
                    let log = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
                    panic!("{name} ended with {status}:\n{log}");
                }
            }
            let answer = Command::new("curl")
                .args(["--silent", "--max-time", "5", "--cacert", &file("authority.crt")])
                .args(["--header", &format!("Authorization: Bearer {ADMIN}"), &ready])
                .output()
                .expect("curl is needed");
            let said = String::from_utf8_lossy(&answer.stdout).into_owned();
            super::expect_that(said == "ok", format!("{ready} says {said:?}"))
        });
    }

    /// What it keeps its objects in.
    pub fn etcd(&self) -> Etcd {
        Etcd::at(self.etcd_port)
    }

    /// The API server's process.
    pub fn id(&self) -> u32 {
        self.server.as_ref().expect("the API server is stopped").id()
    }

    /// Ends the API server, and leaves its data.
    pub fn stop(&mut self) {
        end(&mut self.server);
    }

    /// Does something while the API server and its etcd stand still: they take no time of the machine, and their
    /// connections stay.
    pub fn while_still<T>(&self, act: impl FnOnce() -> T) -> T {
        let _going_on = GoingOn(self.processes().collect());
        for process in self.processes() {
            rustix::process::kill_process(process, Signal::STOP).unwrap();
        }
        act()
    }

    fn processes(&self) -> impl Iterator<Item = Pid> {
        [&self.server, &self.etcd]
            .into_iter()
            .flatten()
            .map(Pid::from_child)
    }

    fn spawn(&self, program: &str, arguments: &[String]) -> Child {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{program}.log")))
            .unwrap();
        Command::new(self.programs.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"))
    }

    /// How to reach it with this token.
    pub fn config(&self, token: &str) -> Config {
        let mut config = self.anonymous();
        config.auth_info.token = Some(token.to_owned().into());
        config
    }

    /// How to reach it with the token in this file.
    pub fn config_with_token_file(&self, file: &Path) -> Config {
        let mut config = self.anonymous();
        config.auth_info.token_file = Some(file.display().to_string());
        config
    }

    /// How to reach it without a name.
    pub fn anonymous(&self) -> Config {
        let mut config = Config::new(format!("https://127.0.0.1:{}", self.port).parse().unwrap());
        config.root_cert = Some(vec![der(self.folder.path())]);
        config
    }

    /// A kubeconfig file for this token.
    pub fn kubeconfig(&self, token: &str) -> PathBuf {
        let path = self.folder.path().join(format!("kubeconfig-{token}"));
        let cluster = json!({
            "server": format!("https://127.0.0.1:{}", self.port),
            "certificate-authority": self.folder.path().join("authority.crt"),
        });
        let config = kubeconfig(&cluster, &json!({"token": token}));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Puts into a folder what a machine of QEMU's user network needs to reach it: a kubeconfig for this token, and the administrator's
    /// token with the port and the authority. The folder will lie at `place` in the machine.
    pub fn lend(&self, token: &str, folder: &Path, place: &str) {
        let cluster = json!({
            // Where the machine finds its host; the certificate is of another name.
            "server": format!("https://10.0.2.2:{}", self.port), "tls-server-name": "localhost",
            "certificate-authority": format!("{place}/authority.crt"),
        });
        let config = kubeconfig(&cluster, &json!({"token": token}));
        fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
        fs::write(folder.join("administrator"), ADMIN).unwrap();
        fs::write(folder.join("port"), self.port.to_string()).unwrap();
        fs::copy(
            self.folder.path().join("authority.crt"),
            folder.join("authority.crt"),
        )
        .unwrap();
    }

    /// A certificate for a server of this name, signed by the same authority, with its key and the authority's certificate: files in
    /// PEM.
    pub fn certificate_for(&self, name: &str) -> [PathBuf; 3] {
        let file = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        certify(self.folder.path(), name, &format!("DNS:{name}"));
        [file("crt"), file("key"), self.folder.path().join("authority.crt")]
    }

    /// Its administrator, on a connection that is kept.
    pub fn administrator(&self) -> Administrator {
        Administrator::new(self.config(ADMIN))
    }

    /// One request of the administrator's; its answer must be a success.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        self.administrator().ask(method, path, body).await
    }

    /// Makes an object of this kind's path: `/api/v1/persistentvolumes`.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        self.administrator().create(path, object).await
    }

    /// Makes an object, and gives it the status that a controller would.
    pub async fn create_with_status(&self, path: &str, object: &Value, status: &Value) -> Value {
        let made = self.create(path, object).await;
        let name = made["metadata"]["name"].as_str().unwrap();
        self.ask(
            Method::PATCH,
            &format!("{path}/{name}/status"),
            Some(&json!({"status": status})),
        )
        .await
    }

    /// Changes an object.
    pub async fn patch(&self, path: &str, change: &Value) -> Value {
        self.administrator().patch(path, change).await
    }

    /// Deletes an object at once.
    pub async fn delete(&self, path: &str) {
        self.administrator().delete(path).await;
    }

    /// Gives a user the rights of a Role in one namespace, which is made as well.
    pub async fn grant_within(&self, namespace: &str, user: &str, role: &Value) {
        let name = role["metadata"]["name"].as_str().unwrap();
        let root = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        self.create(&format!("{root}/roles"), role).await;
        let binding = json!({
            "metadata": {"name": format!("{user}-{name}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        self.create(&format!("{root}/rolebindings"), &binding).await;
    }

    /// Gives a user the rights of a ClusterRole, which is made as well.
    pub async fn grant(&self, user: &str, role: &Value) {
        let name = role["metadata"]["name"].as_str().unwrap();
        self.create(CLUSTER_ROLES, role).await;
        let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        let binding = json!({
            "metadata": {"name": format!("{user}-{name}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        self.create(bindings, &binding).await;
    }

    /// Gives a user the rights of a ClusterRole, which is made as well, in one namespace.
    pub async fn grant_in(&self, namespace: &str, user: &str, role: &Value) {
        let name = role["metadata"]["name"].as_str().unwrap();
        self.create(CLUSTER_ROLES, role).await;
        let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        let binding = json!({
            "metadata": {"name": format!("{user}-{name}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        self.create(&bindings, &binding).await;
    }
}

const CLUSTER_ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

/// Processes that go on when it is dropped, also where a test fails.
struct GoingOn(Vec<Pid>);

impl Drop for GoingOn {
    fn drop(&mut self) {
        for process in &self.0 {
            let _ = rustix::process::kill_process(*process, Signal::CONT);
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        end(&mut self.server);
        end(&mut self.etcd);
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("kube-apiserver.log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(20).collect();
            let _ = writeln!(
                std::io::stderr(),
                "kube-apiserver's last lines, latest first: {end:#?}"
            );
        }
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The ClusterRole that is shipped for this role.
pub fn shipped(role: Role) -> Value {
    manifest(&format!("base/cluster-role-{}.yaml", role.as_str()))
}

/// The Role that is shipped for tenants.
pub fn shipped_for_tenants() -> Value {
    manifest("overlays/tenant/role.yaml")
}

/// One verb on one resource of one group: verb, group, resource.
pub type Right = (String, String, String);

/// The rights that a role's rules give, one by one and in their order.
pub fn rights(role: &Value) -> Vec<Right> {
    let words = |value: &Value| -> Vec<String> {
        let words = value.as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    rights.push((verb, group.clone(), resource.clone()));
                }
            }
        }
    }
    rights
}

/// The one object of a file of the manifests.
pub fn manifest(file: &str) -> Value {
    let path = format!("{}/manifests/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The ClusterRole that is shipped for what storage engines say.
pub fn shipped_for_engines() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/manifests/base/cluster-role-engines.yaml"
    );
    let documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    documents.into_iter().next().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// An authority, a server's certificate that it signed, and the key pair of service accounts.
fn make_certificates(folder: &Path) {
    openssl(
        folder,
        &format!(
            "req -x509 {NEW_KEY} {AUTHORITY} -days 30 -subj /CN=test-authority -keyout authority.key -out authority.crt"
        ),
    );
    certify(folder, "server", "IP:127.0.0.1,DNS:localhost");
    openssl(folder, "genrsa -out accounts.key 2048");
    openssl(folder, "rsa -in accounts.key -pubout -out accounts.pub");
}

/// A certificate for a server that is reached under these names, signed by the folder's authority.
fn certify(folder: &Path, file: &str, names: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 {NEW_KEY} {NO_AUTHORITY} -days 30 -subj /CN=server -CA authority.crt -CAkey authority.key \
             -addext subjectAltName={names} -addext extendedKeyUsage=serverAuth -keyout {file}.key -out {file}.crt"
        ),
    );
}

/// The authority's certificate.
fn der(folder: &Path) -> Vec<u8> {
    openssl(folder, "x509 -outform der -in authority.crt")
}
