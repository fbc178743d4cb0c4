//! Which journal a command works on.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::good;
use crate::config;
use crate::config::checked::Site;
use crate::journal;

/// The site, or the directory itself.
#[derive(Debug, Args)]
#[group(id = "place", required = true, multiple = true)]
pub(super) struct Place {
    /// The site's configuration.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of a journal or of a backup, in place of the site's own.
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
}

/// A journal found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) journal: PathBuf,
    pub(super) site: String,
    /// IANA name; UTC where no configuration says another.
    pub(super) timezone: String,
}

impl Place {
    /// The journal, or what was printed about a configuration that is refused.
    pub(super) fn find(self) -> Result<Found, ExitCode> {
        let site = self.config.as_deref().map(site).transpose()?;
        let path = self.journal.or_else(|| site.as_ref().map(|site| site.journal.path.clone())).unwrap_or_default();
        let owner = journal::owner(&path);
        match (site, owner) {
            (Some(site), Some(owner)) if site.id != owner => {
                let (path, id) = (path.display(), &site.id);
                Err(super::failed(&format!(
                    "{path}: belongs to the site `{owner}`, not to `{id}`; give that site's file"
                )))
            }
            (Some(site), _) => Ok(Found { journal: path, site: site.id, timezone: site.timezone }),
            (None, Some(owner)) => Ok(Found { journal: path, site: owner, timezone: "UTC".to_owned() }),
            (None, None) => {
                let path = path.display();
                Err(super::failed(&format!("{path}: does not say whose journal it is; give the site's file with -c")))
            }
        }
    }
}

/// The site of a gateway that runs: where the file is wrong by now, which is printed, the one it was started on.
pub(super) fn running(file: &std::path::Path) -> Result<Site, ExitCode> {
    config::load(file).map(|loaded| loaded.site).or_else(|complaints| {
        let refused = super::refused(&complaints);
        good::last(file).map(|(_, loaded)| loaded.site).ok_or(refused)
    })
}

/// The checked site, or what was printed about it.
pub(super) fn site(file: &std::path::Path) -> Result<Site, ExitCode> {
    config::load(file).map(|loaded| loaded.site).map_err(|complaints| super::refused(&complaints))
}
