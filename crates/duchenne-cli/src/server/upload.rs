//! The *upload*: a picture file out of a request's body, in the three ways in which programs and forms send one.

use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::refusal::Refusal;

/// The standard alphabet; padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A picture in JSON.
#[derive(Deserialize)]
struct ImageJson {
    /// The file in base64, with or without `data:image/...;base64,` before it.
    image: String,
}

/// The bytes of the picture file: the first file of `multipart/form-data`, the `image` of `application/json`, or the
/// body itself under any other type.
pub(super) async fn picture(request: Request) -> Result<Bytes, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type =
        content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    match content_type.split(';').next().map(str::trim) {
        Some("multipart/form-data") => of_form(Multipart::from_request(request, &()).await?).await,
        Some("application/json") => {
            let Json(ImageJson { image }) = Json::from_request(request, &()).await?;
            of_base64(&image)
        }
        _ => Ok(Bytes::from_request(request, &()).await?),
    }
}

/// The first field that is a file, or else the first that has any bytes.
async fn of_form(mut form: Multipart) -> Result<Bytes, Refusal> {
    let mut first = None;
    while let Some(field) = form.next_field().await? {
        let is_file = field.file_name().is_some();
        let bytes = Field::bytes(field).await?;
        if is_file {
            return Ok(bytes);
        }
        first = first.or((!bytes.is_empty()).then_some(bytes));
    }
    let reason = "the form holds no file; send one as curl -F image=@photo.jpg does";
    first.ok_or_else(|| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason))
}

fn of_base64(text: &str) -> Result<Bytes, Refusal> {
    let encoded = match text.split_once(',') {
        Some((start, encoded)) if start.starts_with("data:") && start.ends_with(";base64") => encoded,
        _ => text,
    };
    // Encoders break lines.
    let encoded: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(encoded).map_err(|error| {
        let reason =
            format!("image is not base64 ({error}); expected a picture file in base64 or as a data URL");
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
    })?;
    Ok(decoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_its_frills() {
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs\nbG8=", "data:image/png;base64,aGVsbG8="] {
            assert_eq!(of_base64(text).ok().unwrap(), "hello", "{text}");
        }
        for text in ["aGVsbG8*", "data:image/png,aGVsbG8="] {
            assert!(of_base64(text).is_err(), "{text}");
        }
    }
}
