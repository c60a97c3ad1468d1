//! `GET /api/v1/openapi.json`: the table, described as OpenAPI 3.1. It needs no token, as it says what the program can do and
//! nothing of what an installation holds.

use super::describe::{Operation, Shapes};
use super::{ROUTES, Route};
use crate::domain::view::Problem;
use axum::Json;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// It is the same for as long as the program runs.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub async fn show() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

fn document() -> Value {
    let mut shapes = Shapes::new();
    let problem = shapes.given::<Problem>();
    let paths: Map<String, Value> = ROUTES.iter().map(|route| (route.path.to_owned(), path(route, &mut shapes))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sitekeep",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Backups of hosted sites. What one may not see does not exist: 404, in the same words as for an id that never was.",
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "As `token:create` makes it: skt_…" } },
            "responses": { "Problem": {
                "description": "What is wrong, in a sentence, and what to do.",
                "content": { "application/json": { "schema": problem } },
            } },
            "schemas": shapes.named(),
        },
    })
}

fn path(route: &Route, shapes: &mut Shapes) -> Value {
    let operations = route.operations.iter().map(|operation| {
        let mut said = Operation { parameters: Vec::new(), body: None, answers: Map::new(), shapes };
        (operation.describe)(&mut said);
        let Operation { parameters, body, mut answers, .. } = said;
        answers.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
        let mut said = json!({
            "operationId": operation.name.replace("::", "_"),
            "summary": operation.summary,
            "tags": [operation.name.split("::").next()],
            "parameters": parameters,
            "responses": answers,
        });
        if let Some(body) = body {
            said["requestBody"] = body;
        }
        (operation.method.to_ascii_lowercase(), said)
    });
    Value::Object(operations.collect())
}
