//! Names that people choose: tenants, sites, environments; and the address `tenant/site.env`.

use crate::base::error::{Error, Result};
use std::fmt;

/// Checks a name: 1 to 40 characters `a-z 0-9 -`, beginning and ending with a letter or digit. No dot, no slash: they
/// separate the parts of an address; nothing that a shell, an URL or a file name could misread.
///
/// # Errors
/// `Invalid`, naming `what` it should have been.
pub fn check(what: &str, name: &str) -> Result<()> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good =
        name.len() <= 40 && edge(name.chars().next()) && edge(name.chars().last()) && name.chars().all(|c| edge(Some(c)) || c == '-');
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!("{name:?} cannot be the name of a {what}"))
        .hint("a name has 1 to 40 characters: a-z, 0-9 and -, and begins and ends with a letter or digit"))
}

/// `site.env`, or `tenant/site.env` where a site's name is not unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub tenant: Option<String>,
    pub site: String,
    pub environment: String,
}

impl Address {
    /// # Errors
    /// `Invalid` when it is not `[tenant/]site.env`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!("{text:?} is not an environment"))
                .hint("an environment is written site.env or tenant/site.env, for example shop.live")
        };
        let (tenant, rest) = match text.split_once('/') {
            Some((tenant, rest)) => (Some(tenant.to_owned()), rest),
            None => (None, text),
        };
        let (site, environment) = rest.split_once('.').ok_or_else(wrong)?;
        for name in tenant.iter().map(String::as_str).chain([site, environment]) {
            check("tenant, site or environment", name).map_err(|_| wrong())?;
        }
        Ok(Self { tenant, site: site.to_owned(), environment: environment.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.tenant {
            write!(f, "{tenant}/")?;
        }
        write!(f, "{}.{}", self.site, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_site_and_an_environment_and_perhaps_a_tenant() {
        let a = Address::parse("acme/shop.live").unwrap();
        assert_eq!((a.tenant.as_deref(), a.site.as_str(), a.environment.as_str()), (Some("acme"), "shop", "live"));
        assert_eq!(Address::parse("shop.dev").unwrap().to_string(), "shop.dev");
        for bad in ["shop", "shop.", ".live", "a/b/c.d", "Shop.live", "shop.live.x", "../shop.live", "-a.b", "a b.c", ""] {
            assert!(Address::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
