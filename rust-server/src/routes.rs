//! The routes of the server that has only the standard library.

use std::str::FromStr;

use crate::http::{Method, Request, Response, Status};
use crate::number::Integer;
use crate::response::{self, BadRequest};
use crate::{items, json, orders, query, spectral_norm};

/// Responds to a request. The body goes to the buffer, which is empty.
pub fn respond(request: &Request<'_>, body: &mut Vec<u8>) -> Response {
    let Some(route) = Route::of(request.path) else {
        return error(Status::NotFound, body);
    };
    let get = matches!(request.method, Method::Get | Method::Head);
    let post = request.method == Method::Post;
    let written = match route {
        Route::Page if get => constant(response::HTML, response::PAGE, body),
        Route::Hello if get => hello(body),
        Route::Sum if get => sum(request, Integer(0), body),
        Route::Sum if post => parse(request.body).and_then(|third| sum(request, third, body)),
        Route::Items(n) if get => list_items(n, request, body),
        Route::Orders if post => sum_orders(request, body),
        Route::Cpu if get => cpu(request, body),
        _ => {
            let refusal = error(Status::MethodNotAllowed, body);
            return Response { allow: Some(route.methods()), ..refusal };
        }
    };
    match written {
        Ok(content_type) => Response { status: Status::Ok, content_type, allow: None },
        Err(_) => error(Status::BadRequest, body),
    }
}

#[derive(Clone, Copy)]
enum Route<'a> {
    Page,
    Hello,
    Sum,
    Items(&'a [u8]),
    Orders,
    Cpu,
}

impl Route<'_> {
    fn of(path: &[u8]) -> Option<Route<'_>> {
        match path {
            b"/" => Some(Route::Page),
            b"/hello" => Some(Route::Hello),
            b"/sum" => Some(Route::Sum),
            b"/orders" => Some(Route::Orders),
            b"/cpu" => Some(Route::Cpu),
            _ => match path.strip_prefix(b"/items/") {
                Some(n) if !n.is_empty() && !n.contains(&b'/') => Some(Route::Items(n)),
                _ => None,
            },
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Route::Page | Route::Hello | Route::Items(_) | Route::Cpu => "GET, HEAD",
            Route::Sum => "GET, HEAD, POST",
            Route::Orders => "POST",
        }
    }
}

/// `Content-Type` of a response whose body is written.
type Written = Result<&'static str, BadRequest>;

fn constant(content_type: &'static str, text: &str, body: &mut Vec<u8>) -> Written {
    body.extend_from_slice(text.as_bytes());
    Ok(content_type)
}

fn hello(body: &mut Vec<u8>) -> Written {
    json::hello(body, &response::HELLO);
    Ok(response::JSON)
}

fn sum(request: &Request<'_>, Integer(third): Integer, body: &mut Vec<u8>) -> Written {
    let Integer(a) = parse(&query::parameter(request.query, "a")?)?;
    let Integer(b) = parse(&query::parameter(request.query, "b")?)?;
    constant(response::TEXT, &(a + b + third).to_string(), body)
}

fn list_items(n: &[u8], request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let n = parse(&query::segment(n))?;
    let m = parse(&query::parameter(request.query, "m")?)?;
    json::items(body, &items::items(n, m));
    Ok(response::JSON)
}

fn sum_orders(request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let orders = json::orders(request.body)?;
    json::summary(body, &orders::summary(orders)?);
    Ok(response::JSON)
}

fn cpu(request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let n = parse(&query::parameter(request.query, "n")?)?;
    constant(response::TEXT, &spectral_norm::text(n), body)
}

/// Reads a value from its text.
fn parse<T: FromStr<Err = BadRequest>>(text: &[u8]) -> Result<T, BadRequest> {
    str::from_utf8(text).map_err(|_| BadRequest::new("not UTF-8"))?.parse()
}

fn error(status: Status, body: &mut Vec<u8>) -> Response {
    status.write_error(body);
    Response { status, content_type: response::JSON, allow: None }
}
