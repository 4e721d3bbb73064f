//! Names for the hosts of package mirrors and archives, so that a task need not list them.
//!
//! The table is what the programs named beside each entry ask for by default; `docs/guide/network.md` shows it and a test
//! holds the two together.

/// A name and the hosts that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// What a task writes in `network.allow`.
    pub name: &'static str,
    /// Hosts, or `*.host` for a host with all below it.
    pub hosts: &'static [&'static str],
    /// Who asks them.
    pub used_by: &'static str,
}

/// All of them, by name.
pub fn sources() -> &'static [Source] {
    &SOURCES
}

const SOURCES: [Source; 14] = [
    Source {
        name: "conda",
        hosts: &["conda.anaconda.org", "repo.anaconda.com"],
        used_by: "conda, mamba, micromamba",
    },
    Source { name: "cran", hosts: &["cran.r-project.org", "cloud.r-project.org"], used_by: "R" },
    Source { name: "crates", hosts: &["crates.io", "index.crates.io", "static.crates.io"], used_by: "cargo" },
    Source { name: "debian", hosts: &["deb.debian.org", "security.debian.org"], used_by: "apt on Debian" },
    Source {
        name: "github",
        hosts: &["github.com", "api.github.com", "codeload.github.com", "*.githubusercontent.com"],
        used_by: "git, release downloads",
    },
    Source { name: "golang", hosts: &["proxy.golang.org", "sum.golang.org"], used_by: "go" },
    Source {
        name: "huggingface",
        hosts: &["huggingface.co", "*.hf.co", "cdn-lfs.huggingface.co"],
        used_by: "huggingface_hub, datasets, transformers",
    },
    Source { name: "maven", hosts: &["repo1.maven.org", "repo.maven.apache.org"], used_by: "mvn, gradle" },
    Source { name: "npm", hosts: &["registry.npmjs.org"], used_by: "npm, pnpm" },
    Source { name: "pypi", hosts: &["pypi.org", "files.pythonhosted.org"], used_by: "pip, uv, poetry" },
    Source { name: "pytorch", hosts: &["download.pytorch.org"], used_by: "pip with PyTorch's index" },
    Source { name: "rubygems", hosts: &["rubygems.org", "index.rubygems.org"], used_by: "gem, bundler" },
    Source {
        name: "ubuntu",
        hosts: &["archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com"],
        used_by: "apt on Ubuntu",
    },
    Source { name: "yarn", hosts: &["registry.yarnpkg.com", "repo.yarnpkg.com"], used_by: "yarn" },
];
