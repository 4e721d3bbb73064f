//! The variables by which programs find the proxy.

use std::collections::BTreeMap;

use super::{Door, Proxy};
use crate::sandbox::PROXY_PORT;

/// What never goes through the proxy: the sandbox's own loopback, where the model gateway is.
const DIRECT: &str = "localhost,127.0.0.1,::1";

/// How git's ssh reaches a host.
const SSH: &str = "ssh -o ProxyCommand='/researchgym/bin/researchgym connect %h %p'";

/// The variables by which programs find a proxy. Most read `HTTP_PROXY` and its siblings, some in small letters only.
pub fn environment(proxy: &Proxy) -> BTreeMap<String, String> {
    let url = match proxy.door() {
        Door::Socket(_) => format!("http://127.0.0.1:{PROXY_PORT}"),
        Door::Port(port, token) => format!("http://researchgym:{}@127.0.0.1:{port}", token.expose()),
    };
    let mut variables = BTreeMap::new();
    for (name, value) in
        [("HTTP_PROXY", &*url), ("HTTPS_PROXY", &*url), ("ALL_PROXY", &*url), ("NO_PROXY", DIRECT)]
    {
        variables.insert(name.to_owned(), value.to_owned());
        variables.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let others = [
        // npm before version 7 and yarn look at no others.
        ("npm_config_proxy", &*url),
        ("npm_config_https_proxy", &*url),
        ("npm_config_noproxy", DIRECT),
        // Node asks for this before its own `fetch` looks at the variables above.
        ("NODE_USE_ENV_PROXY", "1"),
        // Questions that nobody answers, and a request that nobody asked for.
        ("PIP_NO_INPUT", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ];
    variables.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    if proxy.carries_anything && proxy.socket().is_some() {
        variables.insert("GIT_SSH_COMMAND".to_owned(), SSH.to_owned());
    }
    variables
}
