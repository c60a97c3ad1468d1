//! Style sheet, script and icon: in the program itself, under addresses that name their content.

use crate::base::secret::hex;
use crate::ui::shell::{Assets, use_assets};
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

macro_rules! joined {
    ($($path:literal)*) => { concat!($(include_str!(concat!("../../", $path)), "\n",)*) };
}

/// In the order of `style/order`; a test compares them.
const STYLE: &str = joined! {
    "style/layers.css" "style/reset.css" "style/tokens.css" "style/base.css" "style/layout.css" "style/header.css" "style/state.css"
    "style/button.css" "style/form.css" "style/choice.css" "style/table.css" "style/elements.css" "style/facts.css" "style/strip.css"
    "style/progress.css" "style/log.css" "style/steps.css" "style/note.css" "style/dialog.css" "style/pager.css" "style/utilities.css"
    "style/print.css"
};

/// The style sheet as it is sent: what stands between its words weighs nothing. (No text in it has two spaces on end.)
static SHEET: LazyLock<String> = LazyLock::new(|| STYLE.split_ascii_whitespace().collect::<Vec<_>>().join(" "));

/// One behaviour a file; every page works without them.
const SCRIPT: &str = joined! {
    "public/js/trusted.js" "public/js/zone.js" "public/js/once.js" "public/js/dialog.js" "public/js/copy.js" "public/js/menu.js" "public/js/live.js" "public/js/preview.js"
};

const ICON: &str = include_str!("../../public/favicon.svg");

/// The routes of what the pages need; and the pages are told where it is.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let name = |stem: &str, text: &str, ending: &str| format!("/assets/{stem}.{}.{ending}", &hex(&Sha256::digest(text))[..12]);
    let assets = Assets { style: name("style", &SHEET, "css"), script: name("script", SCRIPT, "js"), icon: name("icon", ICON, "svg") };
    let router = Router::new()
        .route(&assets.style, get(|| file(&SHEET, "text/css; charset=utf-8")))
        .route(&assets.script, get(|| file(SCRIPT, "text/javascript; charset=utf-8")))
        .route(&assets.icon, get(|| file(ICON, "image/svg+xml")))
        .route("/favicon.ico", get(|| file(ICON, "image/svg+xml")))
        .route("/robots.txt", get(|| file("User-agent: *\nDisallow: /\n", "text/plain; charset=utf-8")));
    use_assets(assets);
    router
}

async fn file(text: &'static str, kind: &'static str) -> impl IntoResponse {
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, forever)], text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_style_sheet_and_every_script_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let order = fs::read_to_string(root.join("style/order")).unwrap();
        let styles: String = order.lines().map(|name| fs::read_to_string(root.join("style").join(name)).unwrap() + "\n").collect();
        assert_eq!(styles, STYLE);
        for entry in fs::read_dir(root.join("public/js")).unwrap().flatten() {
            assert!(SCRIPT.contains(&fs::read_to_string(entry.path()).unwrap()), "{:?} is not served", entry.path());
        }
    }
}
