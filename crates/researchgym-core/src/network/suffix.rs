//! Names below which anybody may have a host of their own: `*.co.uk` or `*.github.io` allows strangers.
//!
//! The rule of registries (a country's `co`, `org`, `ac` and their like) and the hosting services that agents and their
//! authors meet most. The whole Public Suffix List (publicsuffix.org) has ten thousand names more; a task that allows all
//! below one of those is accepted.

use super::host::HostName;

/// The names below a country's domain under which its registry sells names.
const REGISTRIES: [&str; 30] = [
    "ac", "adm", "asn", "co", "com", "edu", "ed", "ernet", "firm", "gen", "go", "gob", "gov", "govt", "gv",
    "id", "info", "ltd", "me", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc", "res", "sch", "web",
];

/// Services under which anybody gets a name.
const HOSTING: [&str; 43] = [
    "appspot.com",
    "azurewebsites.net",
    "blob.core.windows.net",
    "blogspot.com",
    "cloudfront.net",
    "codeberg.page",
    "deno.dev",
    "duckdns.org",
    "firebaseapp.com",
    "fly.dev",
    "gitbook.io",
    "github.io",
    "gitlab.io",
    "glitch.me",
    "herokuapp.com",
    "hf.space",
    "lambda-url.us-east-1.on.aws",
    "loca.lt",
    "modal.run",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.app",
    "ngrok.io",
    "nip.io",
    "onrender.com",
    "on.aws",
    "pages.dev",
    "pythonanywhere.com",
    "r2.dev",
    "railway.app",
    "readthedocs.io",
    "repl.co",
    "replit.app",
    "run.app",
    "s3.amazonaws.com",
    "sslip.io",
    "storage.googleapis.com",
    "supabase.co",
    "surge.sh",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "workers.dev",
];

/// Whether anybody may have a host right below this name.
pub(super) fn is_public(name: &HostName) -> bool {
    let name = name.as_str();
    let is_registry = match name.split_once('.') {
        None => true,
        Some((first, country)) => country.len() == 2 && !country.contains('.') && REGISTRIES.contains(&first),
    };
    is_registry || HOSTING.contains(&name) || name == "amazonaws.com"
}
