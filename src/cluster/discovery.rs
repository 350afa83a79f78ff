//! Which storage engines there are: their kinds are followed from when the API server has them until it has them no more.
//!
//! An engine that a cluster does not have costs nothing but this: now and then the API server is asked for the names of its groups, which
//! everybody may. So of kinds that are not there nobody asks, and what may not be read is a fault only where there is such a thing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use kube::core::ApiResource;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde::Deserialize;
use tokio::task::{AbortHandle, JoinSet};

use super::engine_object::EngineKind;
use super::live::Shared;
use super::watch;

/// The API server's groups, with the versions of each, the preferred first.
#[derive(Debug, Default, Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

/// The kinds of one version of a group.
#[derive(Debug, Default, Deserialize)]
struct Resources {
    resources: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

/// An engine's kind that is followed.
struct Followed {
    version: &'static str,
    task: AbortHandle,
}

/// How long to wait after the first attempts failed.
const UNANSWERED: Duration = Duration::from_secs(5);

/// Follows the engines' kinds that there are, for ever. `patience` is for lists, and `pause` between two looks at what there is.
pub(super) async fn follow(
    client: Client,
    config: watcher::Config,
    [patience, pause]: [Duration; 2],
    shared: Arc<Shared>,
) {
    let mut tasks = JoinSet::new();
    let mut followed: BTreeMap<&'static str, Followed> = BTreeMap::new();
    let mut answered = false;
    loop {
        // Watches that were ended leave nothing behind.
        while tasks.try_join_next().is_some() {}
        // What cannot be asked now is as it was: the kinds' own watches say what is wrong.
        match served(&client).await {
            Ok(Served {
                found: served,
                silent,
            }) => {
                answered = true;
                for kind in EngineKind::all() {
                    let name = kind.resource.name;
                    if silent.contains(name) {
                        if !followed.contains_key(name) {
                            shared.live().is_not_known(kind.resource);
                        }
                        continue;
                    }
                    let version = served.get(name).copied();
                    if followed.get(name).map(|followed| followed.version) == version {
                        if version.is_none() {
                            shared.live().is_without(kind.resource);
                        }
                        continue;
                    }
                    if let Some(followed) = followed.remove(name) {
                        followed.task.abort();
                    }
                    // In another version it is the same objects: what is known of them stays until they are listed.
                    if version.is_none() {
                        shared.live().is_without(kind.resource);
                    }
                    if let Some(version) = version {
                        tracing::info!("following {name} ({version})");
                        let api = Api::all_with(client.clone(), &api_resource(kind, version));
                        let config = match kind.resource.selector {
                            "" => config.clone(),
                            selector => config.clone().labels(selector),
                        };
                        let task = tasks.spawn(watch::follow(
                            api,
                            Box::new(kind),
                            config,
                            patience,
                            Arc::clone(&shared),
                        ));
                        followed.insert(name, Followed { version, task });
                    }
                }
            }
            Err(error) => {
                if followed.is_empty() {
                    tracing::debug!("which storage engines there are cannot be asked: {error}");
                    shared.live().engines_are_not_known();
                }
            }
        }
        // Who was never answered asks again soon: it may have been the moment alone.
        tokio::time::sleep(if answered { pause } else { pause.min(UNANSWERED) }).await;
    }
}

fn api_resource(kind: EngineKind, version: &str) -> ApiResource {
    let resource = kind.resource;
    ApiResource {
        group: resource.group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{}/{version}", resource.group),
        kind: resource.kind.to_owned(),
        plural: resource.resource.to_owned(),
    }
}

/// What the API server says of the engines' kinds.
#[derive(Default)]
struct Served {
    /// Those that it has, with the version in which each is best read.
    found: BTreeMap<&'static str, &'static str>,
    /// Those of which it does not say now whether it has them.
    silent: BTreeSet<&'static str>,
}

/// What the API server says of the engines' kinds. One group that cannot be asked, as of a server behind it that is down, costs itself.
async fn served(client: &Client) -> Result<Served, kube::Error> {
    let groups: Groups = get(client, "/apis").await?;
    let mut served = Served::default();
    let Served { found, silent } = &mut served;
    let mut lists: BTreeMap<(&str, &str), Option<Vec<String>>> = BTreeMap::new();
    for kind in EngineKind::all() {
        let resource = kind.resource;
        let Some(group) = groups.groups.iter().find(|group| group.name == resource.group) else {
            continue;
        };
        if resource.needs.is_some_and(|needs| silent.contains(needs)) {
            silent.insert(resource.name);
            continue;
        }
        if resource.needs.is_some_and(|needs| !found.contains_key(needs)) {
            continue;
        }
        // Different kinds of a group need not be there in the same versions.
        for version in resource.versions {
            if !group.versions.iter().any(|served| served.version == *version) {
                continue;
            }
            let key = (resource.group, *version);
            let names = match lists.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let path = format!("/apis/{}/{version}", resource.group);
                    let list = get::<Resources>(client, &path).await;
                    if let Err(error) = &list {
                        tracing::debug!("which kinds {path} has cannot be asked: {error}");
                    }
                    let names =
                        |list: Resources| list.resources.into_iter().map(|named| named.name).collect();
                    place.insert(list.ok().map(names))
                }
            };
            let Some(names) = names else {
                silent.insert(resource.name);
                break;
            };
            if names.iter().any(|name| name == resource.resource) {
                found.insert(resource.name, *version);
                break;
            }
        }
    }
    Ok(served)
}

/// True where the API server says that it does not have what is at this path (`/apis/GROUP/VERSION/RESOURCE`). A 404 alone is no such word:
/// a gateway before it says the same while there is nothing behind it.
pub(super) async fn lacks(client: &Client, path: &str) -> bool {
    let mut parts = path.trim_start_matches("/apis/").split('/');
    let [Some(group), Some(version), Some(resource)] = [(); 3].map(|()| parts.next()) else {
        return false;
    };
    let Ok(groups) = get::<Groups>(client, "/apis").await else {
        return false;
    };
    let group = groups.groups.iter().find(|known| known.name == group);
    let Some(group) = group.filter(|group| group.versions.iter().any(|known| known.version == version))
    else {
        return true;
    };
    let kinds = get::<Resources>(client, &format!("/apis/{}/{version}", group.name)).await;
    kinds.is_ok_and(|kinds| kinds.resources.iter().all(|known| known.name != resource))
}

async fn get<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<T, kube::Error> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}
