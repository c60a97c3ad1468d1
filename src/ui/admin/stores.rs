//! Where repositories lie.

use crate::base::clock::Millis;
use crate::base::units;
use crate::domain::page::{CatalogueCopies, Repository, Store};
use crate::ui::kit::{ago, post, table, time};
use crate::ui::shell::{Shell, page as whole};
use crate::ui::space;
use leptos::prelude::*;

pub fn page(shell: Shell, store: Store) -> String {
    whole(shell, move || {
        let free = match &store.free {
            Ok(bytes) => html! { <dd>{units::size(*bytes)}</dd> }.into_any(),
            Err(why) => html! { <dd><span class="mark" data-state="failed">{why.clone()}</span></dd> }.into_any(),
        };
        html! {
            <div class="row spread"><h1>"Stores"</h1><div class="actions">{post("/admin/stores/test".into(), "button", "Test", "the store")}</div></div>
            <p>"Every new site gets a repository of its own in this store. It is configured with "<code>"SITEKEEP_STORE_URL"</code>"; repositories that are there already stay where they are."</p>
            {store.doubt.clone().map(doubt)}
            <section class="stack" aria-label="The store"><div class="card stack"><dl class="facts">
                <dt>"Location"</dt><dd><code class="wrap">{store.location.clone()}</code></dd>
                <dt>"Kind"</dt><dd>{store.kind}</dd>
                <dt>"Free"</dt>{free}
                <dt>"Stored"</dt><dd>{units::size(store.bytes)}" by all backups, in "{repositories(store.repositories.len())}</dd>
            </dl>{space::growth(&store.growth)}</div></section>
            {copies(&store.copies)}
            {by_site(&store)}
        }
    })
}

fn doubt((why, since): (String, Option<Millis>)) -> AnyView {
    let since = since.map(|at| html! { " (since "{time(at)}")" });
    html! {
        <div class="note" data-kind="warn" role="alert">
            <strong>"Nothing is deleted: the clock is not believed"{since}</strong>
            <span class="wrap">{crate::ui::errors::capital(&why)}". Deletion goes on by itself when three readings in a row agree; look at the clocks of the server and its database."</span>
        </div>
    }
}

/// The catalogue's own copies: how old the newest is.
fn copies(c: &CatalogueCopies) -> AnyView {
    let newest = match &c.newest {
        Some(copy) => html! { <dd>{ago(copy.at)}", "{time(copy.at)}": "{units::count(copy.rows, "row")}", "{units::size(copy.bytes)}</dd> },
        None => html! { <dd>"none yet"</dd> },
    };
    let wrong = (c.late || c.failed.is_some()).then(|| {
        let (title, kind) =
            if c.late { ("The copy of the catalogue is too old", "bad") } else { ("The last copy of the catalogue failed", "warn") };
        let why = c.failed.as_deref().map(crate::ui::errors::capital).unwrap_or_else(|| "A server that runs makes one each day.".into());
        html! { <div class="note" data-kind=kind role="alert"><strong>{title}</strong><span class="wrap">{why}</span></div> }
    });
    html! {
        <section class="stack" aria-labelledby="copies"><h2 id="copies">"The catalogue itself"</h2>{wrong}
            <div class="card"><dl class="facts">
                <dt>"Newest copy"</dt>{newest}
                <dt>"Lies in"</dt><dd><code class="wrap">{c.location.clone()}</code></dd>
            </dl></div>
            <p class="small soft">"With it, the repositories and "<code>"master.key"</code>", "<code>"sitekeep catalogue:rebuild"</code>" brings everything back. Keep a copy of the key elsewhere."</p>
        </section>
    }
}

fn repositories(n: usize) -> String {
    if n == 1 { "1 repository".into() } else { format!("{n} repositories") }
}

fn by_site(store: &Store) -> Option<AnyView> {
    let rows: Vec<_> = store.repositories.iter().map(row).collect();
    (!rows.is_empty()).then(|| {
        html! {
            <section class="stack"><h2>"Repositories"</h2>
                {table("Repositories by site", &["Site", "#Backups", "#Stored", "#On the storage", "Health"], rows)}
                <p class="small soft">"What is stored is what the backups added, as the catalogue knows it; equal content is stored once."</p>
            </section>
        }
    })
}

fn row(r: &Repository) -> AnyView {
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><span class="wrap">{format!("{}/{}", r.tenant, r.site)}</span>
                <small><code class="wrap">{r.location.clone()}</code></small></th>
            <td role="cell" class="num" data-label="Backups"><span>{r.backups}</span></td>
            <td role="cell" class="num" data-label="Stored"><span>{units::size(r.bytes)}</span></td>
            <td role="cell" class="num" data-label="On the storage"><span>{r.health.bytes.map_or_else(|| "not measured".into(), units::size)}</span></td>
            <td role="cell" data-label="Health"><div class="small stack tight">{space::health(&r.health)}</div></td>
        </tr>
    }
}
