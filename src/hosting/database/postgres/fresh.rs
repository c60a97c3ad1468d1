//! A new database with a role of its own, made and dropped by the server account.

use super::catalogue::can_force;
use super::fence::outside;
use super::scram;
use super::session::{Session, ident, literal};
use super::settings;
use crate::base::chance;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress};
use std::collections::BTreeMap;

/// The comment by which a role is known as ours: only such a role is ever dropped.
const MARK: &str = "made by Sitekeep for a restore";
/// Names end here in PostgreSQL.
const NAME_BYTES: usize = 63;

/// Makes the database and its role. `open` makes a session for an access.
pub fn stage(live: &Session, server: &Session, short: &str, open: impl Fn(&Access) -> Result<Session>) -> Result<(Account, Secret)> {
    let name = name_for(&live.account.database, short);
    if name == live.account.database {
        return Err(Error::conflict(format!("the database {name} of this restore is live already")).hint("undo the restore instead"));
    }
    let password = chance::password();
    let account = Account { at: live.account.at.clone(), database: name.clone(), user: name.clone(), prefix: live.account.prefix.clone() };
    same_server(live, server)?;
    clear(&name, server)?;
    let made = make(live, server, &name, &password).and_then(|()| {
        let staged = open(&Access { address: DatabaseAddress::Postgres(account.clone()), password: password.clone() })?;
        reach(&staged)
    });
    match made {
        Ok(()) => Ok((account, password)),
        Err(e) => {
            // Best effort: the next try of the same ticket drops it too.
            let _ = drop_database(&name, server);
            Err(e.context("making a new database"))
        }
    }
}

/// `shop` becomes `shop_sk_1a2b3c4d`, and that in its turn `shop_sk_5e6f7g8h`.
fn name_for(live: &str, short: &str) -> String {
    let ours = |tail: &str| tail.len() == short.len() && tail.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    let base = match live.rsplit_once("_sk_") {
        Some((base, tail)) if ours(tail) => base,
        _ => live,
    };
    let room = NAME_BYTES - "_sk_".len() - short.len();
    let mut end = base.len().min(room);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_sk_{short}", &base[..end])
}

/// Drops what an earlier try of the same ticket left; a stranger's database of that name stays.
fn clear(name: &str, server: &Session) -> Result<()> {
    let outside = outside(server, name)?;
    let strange = format!(
        "select count(*) from pg_database d where datname = {n} and not exists (
  select from pg_roles r where r.oid = d.datdba and rolname = {n} and shobj_description(r.oid, 'pg_authid') = {});",
        literal(MARK),
        n = literal(name)
    );
    if outside.run(&strange)? != "0" {
        return Err(Error::conflict(format!("there is a database {name} that was not made by Sitekeep")));
    }
    drop_database(name, &outside)
}

/// The server account must lead to the server of the live database.
fn same_server(live: &Session, server: &Session) -> Result<()> {
    let question = format!("select exists (select from pg_database where datname = {});", literal(&live.account.database));
    let version = |s: &Session| s.run("select extract(epoch from pg_postmaster_start_time()) || version();");
    if server.run(&question)? == "t" && version(live)? == version(server)? {
        return Ok(());
    }
    Err(Error::permanent(format!("the server account does not lead to the server that holds the database {}", live.account.database))
        .hint("give the server account the same address as the site's database"))
}

fn make(live: &Session, server: &Session, name: &str, password: &Secret) -> Result<()> {
    let (role, db) = (ident(name), ident(name));
    make_role(server, name, password)?;
    server.run(&format!("create database {db} owner {role} template template0 {};", likeness(live)?))?;
    adopt_rights(live, server, name)?;
    adopt_settings(live, server, name)?;
    prepare(live, &server.of_database(name), name)
}

/// A role that may sign in and nothing else, known as ours by its comment.
pub fn make_role(server: &Session, name: &str, password: &Secret) -> Result<()> {
    let role = ident(name);
    let scram = server.run("show password_encryption;")? == "scram-sha-256";
    let kept = if scram { Secret::new(scram::verifier(password, chance::bytes())) } else { password.clone() };
    let make = format!(
        "begin; create role {role} login nosuperuser nocreatedb nocreaterole noreplication password {};
comment on role {role} is {}; commit;",
        literal(kept.expose()),
        literal(MARK)
    );
    server.run_hiding(&make, Some(&kept)).context(|| "making a database user")?;
    // Who is no superuser may only make a database for a role that it is a member of.
    server
        .run(&format!(
            "select format('grant %I to current_user', {}) where not (select rolsuper from pg_roles where rolname = current_user) \\gexec",
            literal(name)
        ))
        .map(drop)
}

/// Encoding and locale of the live database.
fn likeness(live: &Session) -> Result<String> {
    let row = live.run("select row_to_json(d) from pg_database d where datname = current_database();")?;
    let d: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&row).map_err(|e| Error::internal(format!("the database's properties cannot be read: {e}")))?;
    let text = |key: &str| d.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let encoding = live.run("select pg_encoding_to_char(encoding) from pg_database where datname = current_database();")?;
    let mut all = vec![format!("encoding {}", literal(&encoding))];
    let mut add = |word: &str, value: Option<String>| all.extend(value.map(|v| format!("{word} {}", literal(&v))));
    add("lc_collate", text("datcollate"));
    add("lc_ctype", text("datctype"));
    let locale = text("datlocale").or_else(|| text("daticulocale"));
    match text("datlocprovider").as_deref() {
        Some("i") => {
            add("locale_provider", Some("icu".to_owned()));
            add("icu_locale", locale);
            add("icu_rules", text("daticurules"));
        }
        Some("b") => {
            add("locale_provider", Some("builtin".to_owned()));
            add("builtin_locale", locale);
        }
        _ => {}
    }
    Ok(all.join(" "))
}

/// A database that not everybody may connect to stays so.
fn adopt_rights(live: &Session, server: &Session, name: &str) -> Result<()> {
    let open = server.run(&format!("select has_database_privilege('public', {}, 'connect');", literal(&live.account.database)))?;
    if open == "f" {
        server.run(&format!("revoke all on database {} from public;", ident(name)))?;
    }
    Ok(())
}

/// `alter role … set` and `alter database … set` are no part of a dump, but sites rely on them.
fn adopt_settings(live: &Session, server: &Session, name: &str) -> Result<()> {
    let rows = server.ask(&format!(
        "select json_build_array(s.setdatabase <> 0, s.setrole <> 0, x) from pg_db_role_setting s
  left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) x
  where (s.setdatabase = 0 or d.datname = {}) and (s.setrole = 0 or r.rolname = {}) and (s.setdatabase <> 0 or s.setrole <> 0);",
        literal(&live.account.database),
        literal(&live.account.user)
    ))?;
    for row in rows {
        let [database, role, setting] = <[String; 3]>::try_from(row).map_err(|_| Error::internal("the settings cannot be read"))?;
        let (role, whole) = (role == "true", format!("database {}", ident(name)));
        let what = match database == "true" {
            true if role => format!("role {} in {whole}", ident(name)),
            true => whole,
            false => format!("role {}", ident(name)),
        };
        if let Some(statement) = settings::statement(&what, &setting)
            && let Err(error) = server.run(&statement)
        {
            tracing::warn!(%error, setting = setting.split('=').next(), "a setting of the live database could not be given to the new one");
        }
    }
    Ok(())
}

/// What the dump needs and its owner may not make: the schema `public` where it belongs to the superuser (before
/// PostgreSQL 15), and extensions that only a superuser may create.
fn prepare(live: &Session, new: &Session, owner: &str) -> Result<()> {
    let superuser = new.run("select rolsuper from pg_roles where rolname = current_user;")? == "t";
    if superuser {
        new.run(&format!(
            "alter schema public owner to {} ;",
            if new.server_version()?.major < 15 { ident(owner) } else { "pg_database_owner".into() }
        ))?;
    }
    let extensions = live.ask(
        "select json_build_array(e.extname, n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname <> 'plpgsql' order by e.oid;",
    )?;
    for row in extensions {
        let [name, schema] = <[String; 2]>::try_from(row).map_err(|_| Error::internal("the extensions cannot be read"))?;
        extension(new, owner, &name, &schema, superuser)?;
    }
    Ok(())
}

fn extension(new: &Session, owner: &str, name: &str, schema: &str, superuser: bool) -> Result<()> {
    let trusted = if new.server_version()?.major >= 13 { "trusted or not superuser" } else { "not superuser" };
    let by_owner = new.run(&format!(
        "select coalesce(bool_or({trusted}), false) from pg_available_extension_versions v
  join pg_available_extensions a on a.name = v.name and a.default_version = v.version where v.name = {};",
        literal(name)
    ))?;
    if by_owner == "t" {
        return Ok(()); // the dump makes it itself
    }
    if !superuser {
        return Err(Error::permanent(format!("the extension {name} can only be created by a superuser, and the server account is none"))
            .hint("give `sitekeep server:add` an account that is a superuser of the database server"));
    }
    let place = if ["public", "pg_catalog"].contains(&schema) {
        String::new()
    } else {
        format!("create schema if not exists {} authorization {};", ident(schema), ident(owner))
    };
    new.run(&format!("{place} create extension if not exists {} with schema {} cascade;", ident(name), ident(schema)))
        .map(drop)
        .context(|| format!("creating the extension {name}"))
}

/// The new account must be let in where the site connects.
pub fn reach(staged: &Session) -> Result<()> {
    staged.run("select 1;").map(drop).map_err(|e| {
        e.hint("the server's pg_hba.conf must let new users in with a password: a line as `host all all 127.0.0.1/32 scram-sha-256`")
    })
}

/// Drops the database of `staged` and, if it is ours, its role.
///
/// # Errors
/// `Conflict` when it is the live one.
pub fn discard(live: &DatabaseAddress, staged: &DatabaseAddress, server: &Session) -> Result<()> {
    let (Some(live), Some(doomed)) = (live.account(), staged.account()) else {
        return Err(Error::internal("only a database of a server can be dropped here"));
    };
    // The same server may have two addresses, so the name alone decides: better to refuse once too often.
    if live.database == doomed.database || ["postgres", "template0", "template1"].contains(&doomed.database.as_str()) {
        return Err(Error::conflict(format!("the database {} is live and is not dropped", doomed.database)));
    }
    drop_database(&doomed.database, server)?;
    drop_role(&doomed.user, server)
}

pub fn drop_database(name: &str, server: &Session) -> Result<()> {
    let outside = outside(server, name)?;
    if outside.run(&format!("select count(*) from pg_database where datname = {};", literal(name)))? != "0" {
        if can_force(outside.server_version()?) {
            outside.run(&format!("drop database if exists {} with (force);", ident(name))).map_err(needs_owner)?;
        } else {
            let cut = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = {};", literal(name));
            outside.run(&format!("{cut} drop database if exists {};", ident(name))).map_err(needs_owner)?;
        }
    }
    drop_role(name, &outside)
}

fn needs_owner(e: Error) -> Error {
    if e.sentence().contains("must be owner") {
        e.hint("the server account must be a superuser, or a member of the role that owns the database")
    } else {
        e
    }
}

/// A role that others use too cannot be dropped, and one that is not ours must not be.
fn drop_role(name: &str, server: &Session) -> Result<()> {
    let outside = outside(server, name)?;
    let ours = format!(
        "select count(*) from pg_roles where rolname = {} and shobj_description(oid, 'pg_authid') = {};",
        literal(name),
        literal(MARK)
    );
    if outside.run(&ours)? == "0" {
        return Ok(());
    }
    match outside.run(&format!("drop role if exists {};", ident(name))) {
        Err(e) if e.class() == Class::Permanent => {
            tracing::warn!(error = %e, role = name, "a role that is not needed any more could not be dropped");
            Ok(())
        }
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_has_the_name_of_the_first_one_with_the_tickets_mark() {
        assert_eq!(name_for("shop", "1a2b3c4d"), "shop_sk_1a2b3c4d");
        assert_eq!(name_for("shop_sk_1a2b3c4d", "5e6f7g8h"), "shop_sk_5e6f7g8h", "marks do not pile up");
        assert_eq!(name_for("my_sk_y", "5e6f7g8h"), "my_sk_y_sk_5e6f7g8h", "not a mark of ours");
        let long = name_for(&"ü".repeat(40), "5e6f7g8h");
        assert!(long.len() <= NAME_BYTES && long.ends_with("ü_sk_5e6f7g8h"), "{long}");
    }
}
