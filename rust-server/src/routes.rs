//! The routes of the server that has only the standard library.

use crate::answer::{self, BadRequest};
use crate::decimal;
use crate::http::{Answer, Method, Request, Status};
use crate::{items, json, orders, query, spectral_norm};

/// Answers a request. The body goes to the buffer, which is empty.
pub fn answer(request: &Request<'_>, body: &mut Vec<u8>) -> Answer {
    let Some(route) = Route::of(request.path) else {
        return error(Status::NotFound, body);
    };
    let get = matches!(request.method, Method::Get | Method::Head);
    let post = request.method == Method::Post;
    let answered = match route {
        Route::Page if get => constant(answer::HTML, answer::PAGE, body),
        Route::Hello if get => hello(body),
        Route::Sum if get => sum(request, 0, body),
        Route::Sum if post => {
            decimal::integer(request.body).and_then(|third| sum(request, third, body))
        }
        Route::Items(n) if get => list_items(n, request, body),
        Route::Orders if post => sum_orders(request, body),
        Route::Cpu if get => cpu(request, body),
        _ => {
            let refusal = error(Status::MethodNotAllowed, body);
            return Answer { allow: Some(route.methods()), ..refusal };
        }
    };
    match answered {
        Ok(content_type) => Answer { status: Status::Ok, content_type, allow: None },
        Err(BadRequest) => error(Status::BadRequest, body),
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

/// `Content-Type` of an answer whose body is written.
type Written = Result<&'static str, BadRequest>;

fn constant(content_type: &'static str, text: &str, body: &mut Vec<u8>) -> Written {
    body.extend_from_slice(text.as_bytes());
    Ok(content_type)
}

fn hello(body: &mut Vec<u8>) -> Written {
    json::hello(body, &answer::HELLO);
    Ok(answer::JSON)
}

fn sum(request: &Request<'_>, third: i64, body: &mut Vec<u8>) -> Written {
    let a = decimal::integer(&query::parameter(request.query, "a")?)?;
    let b = decimal::integer(&query::parameter(request.query, "b")?)?;
    decimal::push_signed(body, a + b + third);
    Ok(answer::TEXT)
}

fn list_items(n: &[u8], request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let m = query::parameter(request.query, "m")?;
    let items = items::items(&query::segment(n), &m)?;
    json::items(body, &items);
    Ok(answer::JSON)
}

fn sum_orders(request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let orders = json::orders(request.body)?;
    json::summary(body, &orders::summary(&orders)?);
    Ok(answer::JSON)
}

fn cpu(request: &Request<'_>, body: &mut Vec<u8>) -> Written {
    let n = query::parameter(request.query, "n")?;
    constant(answer::TEXT, &spectral_norm::text(&n)?, body)
}

fn error(status: Status, body: &mut Vec<u8>) -> Answer {
    body.clear();
    body.extend_from_slice(status.error_body().as_bytes());
    Answer { status, content_type: answer::JSON, allow: None }
}
