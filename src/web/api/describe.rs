//! What a handler takes and answers, read from its own signature: so that the description of the API cannot say anything
//! else than the program does.

use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Inside, Key, Path, Query};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The shapes that bodies, queries and answers have.
#[derive(Debug)]
pub struct Shapes {
    /// Of what is sent to us: written where it stands, as one type may look otherwise when it is answered.
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Shapes {
    pub fn new() -> Self {
        let taken = SchemaSettings::draft2020_12().for_deserialize().with(|s| s.inline_subschemas = true);
        let given = SchemaSettings::draft2020_12().for_serialize().with(|s| s.definitions_path = "/components/schemas".into());
        Self { taken: taken.into_generator(), given: given.into_generator() }
    }

    pub fn given<T: JsonSchema>(&mut self) -> Schema {
        self.given.subschema_for::<T>()
    }

    /// Those that have names.
    pub fn named(mut self) -> Map<String, Value> {
        self.given.take_definitions(true)
    }
}

/// One method of a route, as it is described.
#[derive(Debug)]
pub struct Operation<'a> {
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    pub answers: Map<String, Value>,
    pub shapes: &'a mut Shapes,
}

impl Operation<'_> {
    fn query(&mut self, shape: &Schema) {
        let required = shape.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(properties) = shape.get("properties").and_then(Value::as_object) else { return };
        for (name, schema) in properties {
            let mut schema = schema.clone();
            // What is not given is left out: a query has no word for null.
            if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
                kinds.retain(|kind| kind != "null");
            }
            let description = schema.get("description").cloned();
            let required = required.iter().any(|r| r == name);
            self.parameters
                .push(json!({ "name": name, "in": "query", "required": required, "schema": schema, "description": description }));
        }
    }

    fn answers<T: JsonSchema>(&mut self, statuses: &[(StatusCode, &str)]) {
        let shape = self.shapes.given::<T>();
        for (status, what) in statuses {
            let answer = json!({ "description": what, "content": { "application/json": { "schema": shape } } });
            self.answers.insert(status.as_str().to_owned(), answer);
        }
    }
}

/// An argument of a handler.
pub trait Takes {
    fn describe(operation: &mut Operation<'_>);
}

/// What a handler answers when it went well.
pub trait Gives {
    fn describe(operation: &mut Operation<'_>);
}

/// A handler; `M` are its arguments.
pub trait Described<M> {
    fn describe(operation: &mut Operation<'_>);
}

/// Describes a handler, which is not called.
pub fn describe<M, F: Described<M>>(_handler: F, operation: &mut Operation<'_>) {
    F::describe(operation);
}

macro_rules! described {
    ($($argument:ident)*) => {
        impl<F, Fut, Out, $($argument),*> Described<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut,
            Fut: Future<Output = Answer<Out>>,
            Out: Gives,
            $($argument: Takes),*
        {
            fn describe(operation: &mut Operation<'_>) {
                $($argument::describe(operation);)*
                Out::describe(operation);
            }
        }
    };
}

described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);

impl<T> Takes for State<T> {
    fn describe(_: &mut Operation<'_>) {}
}

/// That a token is wanted stands at the top of the description: all operations do.
impl Takes for Caller {
    fn describe(_: &mut Operation<'_>) {}
}

impl Takes for Path {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }));
    }
}

impl<T: JsonSchema> Takes for Query<T> {
    fn describe(operation: &mut Operation<'_>) {
        let shape = T::json_schema(&mut operation.shapes.taken);
        operation.query(&shape);
    }
}

impl Takes for Inside {
    fn describe(operation: &mut Operation<'_>) {
        Query::<super::browse::Asks>::describe(operation);
    }
}

impl Takes for Key {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$" });
        let what = "The same key within 24 hours gives the same job.";
        operation.parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "schema": schema, "description": what }));
    }
}

impl<T: JsonSchema> Takes for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        let shape = T::json_schema(&mut operation.shapes.taken);
        operation.body = Some(json!({ "required": true, "content": { "application/json": { "schema": shape } } }));
    }
}

impl<T: JsonSchema> Gives for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers::<T>(&[(StatusCode::OK, "As asked.")]);
    }
}

impl<T: JsonSchema> Gives for (StatusCode, Json<T>) {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers::<T>(&[(StatusCode::OK, "Nothing new: as it stands."), (StatusCode::CREATED, "Made.")]);
    }
}
