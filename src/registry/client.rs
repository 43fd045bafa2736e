//! One registry over HTTP: authentication, retries, redirects.
//!
//! Written on reqwest and not on oci-client: the latter hides status and headers of failed requests
//! (so neither `Retry-After` nor a resumed download can be had), reads documents without a limit, and
//! guesses short names. What is left of its work is a token request.
//!
//! TLS is rustls with ring: one C compiler run, no cmake, and the same on every architecture.
//! Certificates are checked against the machine's own store and those meant for this registry.

use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::certificates::Certificates;
use super::challenge::Challenge;
use super::credentials::{Credentials, Secret};
use super::error::Error;
use super::name::RegistryReference;
use super::retry::{Patience, is_passing};
use crate::progress::Cancel;

const TOKEN_LIMIT_BYTES: u64 = 1 << 20;

/// What we want to do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Pull,
    Push,
}

/// A repository in a registry.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Without a limit on how long an answer may take: it comes when all is sent.
    uploads: reqwest::Client,
    purpose: Purpose,
    /// `https://host`, or `http://host` where that was allowed and needed.
    base: String,
    host: String,
    repository: String,
    credentials: Option<Credentials>,
    authorization: Mutex<Authorization>,
    tls_verify: bool,
    pub(crate) patience: Patience,
    cancel: Cancel,
}

/// How the two sides prove who they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// Whether to check certificates and to refuse plain HTTP.
    pub(crate) verify: bool,
    pub(crate) certificates: Certificates,
}

/// What every request carries.
#[derive(Clone, Default)]
enum Authorization {
    #[default]
    None,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
}

impl Authorization {
    fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// Greets the registry: finds out whether it speaks TLS, and what it wants to know of us.
    pub(crate) async fn connect(
        name: &RegistryReference,
        purpose: Purpose,
        credentials: Option<Credentials>,
        trust: Trust,
        patience: Patience,
        cancel: Cancel,
    ) -> Result<Self, Error> {
        let (host, repository) = api_name(name);
        let tls_verify = trust.verify;
        let http = |reads: Option<Duration>| {
            let http = http_client(&host, trust.clone(), &patience, reads);
            http.map_err(|error| connection(&host, tls_verify, error))
        };
        let mut client = Self {
            http: http(Some(patience.stall))?,
            uploads: http(None)?,
            purpose,
            base: format!("https://{host}"),
            host,
            repository,
            credentials,
            authorization: Mutex::default(),
            tls_verify,
            patience,
            cancel,
        };
        let greeting = if tls_verify { client.greet().await } else { client.greet_any().await };
        client.authorize(&greeting?).await?;
        Ok(client)
    }

    async fn greet(&self) -> Result<Response, Error> {
        let url = format!("{}/v2/", self.base);
        self.send(&|| self.http.get(&url)).await
    }

    /// Tries TLS once, then plain HTTP.
    async fn greet_any(&mut self) -> Result<Response, Error> {
        let url = format!("{}/v2/", self.base);
        match self.unless_cancelled(self.http.get(&url).send()).await? {
            Ok(response) => Ok(response),
            Err(_) => {
                self.base = format!("http://{}", self.host);
                self.greet().await
            }
        }
    }

    /// Asks for something below the repository; `range_from` asks for the bytes from there on.
    pub(crate) async fn get(
        &self,
        path: &str,
        accept: &str,
        range_from: Option<u64>,
    ) -> Result<Response, Error> {
        let url = self.url(path);
        for renewed in [false, true] {
            let authorization = self.authorization();
            let response = self
                .send(&|| {
                    let request = self.http.get(&url).header("Accept", accept);
                    let request = authorization.apply(request);
                    match range_from {
                        Some(from) => request.header("Range", format!("bytes={from}-")),
                        None => request,
                    }
                })
                .await?;
            match response.status() {
                status if status.is_success() => return Ok(response),
                // A token lives for minutes, a pull may take longer.
                StatusCode::UNAUTHORIZED if !renewed => self.authorize(&response).await?,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Err(self.denied(response.status()));
                }
                StatusCode::NOT_FOUND => {
                    let name = format!("{}/{}", self.host, self.repository);
                    return Err(Error::NotFound { name, what: path.to_owned() });
                }
                status => {
                    return Err(Error::Status { host: self.host.clone(), status: status.as_u16() });
                }
            }
        }
        Err(self.denied(StatusCode::UNAUTHORIZED))
    }

    /// Sends a small request to the registry; hands on any answer that does not refuse us.
    pub(crate) async fn call(
        &self,
        build: &(dyn Fn(&reqwest::Client) -> RequestBuilder + Sync),
    ) -> Result<Response, Error> {
        for renewed in [false, true] {
            let authorization = self.authorization();
            let response = self.send(&|| authorization.apply(build(&self.http))).await?;
            match response.status() {
                StatusCode::UNAUTHORIZED if !renewed => self.authorize(&response).await?,
                status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    return Err(self.denied(status));
                }
                _ => return Ok(response),
            }
        }
        Err(self.denied(StatusCode::UNAUTHORIZED))
    }

    /// A request that uploads to a place the registry named. Only the registry itself is told who
    /// we are.
    pub(crate) fn upload_to(&self, place: Url) -> RequestBuilder {
        let is_registry = Url::parse(&self.base).is_ok_and(|base| base.origin() == place.origin());
        let request = self.uploads.put(place);
        if is_registry { self.authorization().apply(request) } else { request }
    }

    /// Where something below the repository is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.repository)
    }

    fn authorization(&self) -> Authorization {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what the registry asks for in its answer.
    pub(crate) async fn authorize(&self, answer: &Response) -> Result<(), Error> {
        let value = match Challenge::parse(texts(answer.headers())) {
            None => Authorization::None,
            Some(Challenge::Basic) => match self.credentials.as_ref().map(|c| &c.secret) {
                Some(Secret::Password { user, password }) => {
                    let (user, password) = (user.clone(), password.clone());
                    Authorization::Basic { user, password }
                }
                _ => Authorization::None,
            },
            Some(Challenge::Bearer { realm, service }) => {
                Authorization::Bearer(self.token(&realm, service.as_deref()).await?)
            }
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<String, Error> {
        let invalid = || Error::BadToken { host: self.host.clone(), realm: realm.to_owned() };
        let url = Url::parse(realm).map_err(|_| invalid())?;
        if url.scheme() != "https" && (self.tls_verify || url.scheme() != "http") {
            return Err(invalid());
        }
        let actions = match self.purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.repository);
        let mut fields = vec![("scope", scope.as_str())];
        fields.extend(service.map(|service| ("service", service)));
        let request = || -> RequestBuilder {
            match self.credentials.as_ref().map(|credentials| &credentials.secret) {
                None => self.http.get(url.clone()).query(&fields),
                Some(Secret::Password { user, password }) => self
                    .http
                    .get(url.clone())
                    .query(&fields)
                    .query(&[("account", user)])
                    .basic_auth(user, Some(password)),
                Some(Secret::IdentityToken(token)) => {
                    let mut form = fields.clone();
                    form.extend([("grant_type", "refresh_token"), ("client_id", "bootc-image")]);
                    form.push(("refresh_token", token));
                    self.http.request(Method::POST, url.clone()).form(&form)
                }
            }
        };
        let response = self.send(&request).await?;
        match response.status() {
            status if status.is_success() => {}
            status if status.is_client_error() => return Err(self.denied(status)),
            status => {
                return Err(Error::Status { host: self.host.clone(), status: status.as_u16() });
            }
        }
        let bytes = self.read_body(response, TOKEN_LIMIT_BYTES).await?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        token.token.or(token.access_token).filter(|token| !token.is_empty()).ok_or_else(invalid)
    }

    /// Sends a request until it is answered for good, waiting between tries.
    async fn send(&self, request: &(dyn Fn() -> RequestBuilder + Sync)) -> Result<Response, Error> {
        let mut failures = 0;
        loop {
            let result = self.unless_cancelled(request().send()).await?;
            failures += 1;
            let passing = match &result {
                Ok(response) => is_passing(response.status().as_u16()),
                Err(error) => !error.is_builder() && !error.is_redirect() && !is_tls(error),
            };
            let retry_after = result.as_ref().ok().and_then(retry_after);
            match self.patience.pause(failures, retry_after).filter(|_| passing) {
                Some(pause) => self.unless_cancelled(tokio::time::sleep(pause)).await?,
                None => return result.map_err(|e| connection(&self.host, self.tls_verify, e)),
            }
        }
    }

    /// Reads a whole body of at most `limit` bytes, and one more if there are more.
    pub(crate) async fn read_body(
        &self,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        while body.len() <= limit {
            let chunk = self.unless_cancelled(response.chunk()).await?;
            match chunk.map_err(|error| connection(&self.host, self.tls_verify, error))? {
                Some(bytes) => body.extend_from_slice(&bytes),
                None => break,
            }
        }
        Ok(body)
    }

    /// Waits for `future`, or until the user wants to stop.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let cancelled = async {
            while !self.cancel.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            value = future => Ok(value),
            () = cancelled => Err(Error::Cancelled),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn failed(&self, error: reqwest::Error) -> Error {
        connection(&self.host, self.tls_verify, error)
    }

    pub(crate) fn denied(&self, status: StatusCode) -> Error {
        Error::Denied {
            name: format!("{}/{}", self.host, self.repository),
            status: status.as_u16(),
            credentials: self.credentials.as_ref().map(|credentials| credentials.path.clone()),
        }
    }
}

/// Docker Hub answers under another name, and keeps its own images in `library`.
fn api_name(name: &RegistryReference) -> (String, String) {
    if matches!(name.host.as_str(), "docker.io" | "index.docker.io") {
        let library = if name.repository.contains('/') { "" } else { "library/" };
        return ("registry-1.docker.io".to_owned(), format!("{library}{}", name.repository));
    }
    (name.host.clone(), name.repository.clone())
}

fn http_client(
    host: &str,
    trust: Trust,
    patience: &Patience,
    longest_silence: Option<Duration>,
) -> Result<reqwest::Client, reqwest::Error> {
    // Fails only when the process already has a provider, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("bootc-image/", env!("CARGO_PKG_VERSION")))
        .https_only(trust.verify)
        .tls_danger_accept_invalid_certs(!trust.verify)
        .connect_timeout(patience.stall);
    if let Some(silence) = longest_silence {
        builder = builder.read_timeout(silence);
    }
    if trust.verify && !trust.certificates.authorities.is_empty() {
        builder = builder.tls_certs_merge(trust.certificates.authorities);
    }
    if let Some(identity) = trust.certificates.identity {
        builder = builder.identity(identity);
    }
    let local = ["localhost", "127.", "[::1]"].iter().any(|prefix| host.starts_with(prefix));
    if local { builder.no_proxy().build() } else { builder.build() }
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Whether the two sides could not agree on TLS, which will not change.
fn is_tls(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        // An I/O error hides what it wraps from `source`, and they come nested.
        let mut cause = cause;
        while let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref()) {
            cause = inner;
        }
        cause.is::<rustls::Error>()
    })
}

/// Whether the other side left when it was greeted: so do some that speak plain HTTP only.
fn is_cut_handshake(error: &reqwest::Error) -> bool {
    use std::io::{self, ErrorKind};
    let left = |cause: &(dyn std::error::Error + 'static)| {
        let outer: Option<&io::Error> = cause.downcast_ref();
        let mut all = std::iter::successors(outer, |&outer| outer.get_ref()?.downcast_ref());
        all.any(|e| matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof))
    };
    error.is_connect() && causes(error).any(left)
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Says why a connection failed, without the address: it may hold a secret.
fn connection(host: &str, tls_verify: bool, error: reqwest::Error) -> Error {
    let tls = is_tls(&error) || is_cut_handshake(&error);
    let error = error.without_url();
    let mut reasons: Vec<String> = Vec::new();
    for reason in std::iter::once(error.to_string()).chain(causes(&error).map(ToString::to_string))
    {
        if reasons.last() != Some(&reason) {
            reasons.push(reason);
        }
    }
    Error::Connection { host: host.to_owned(), reason: reasons.join(": "), tls, tls_verify }
}
