//! Geo functions: GeoJSON in and out. What shapes are and how they compare is in `geometry.rs`.
//!
//! Coordinates are `[longitude, latitude]`, further members are heights and ignored.

use super::arguments::{array_expected, flag, mismatch, null, number, slice};
use super::geometry::{Point, Polygon, RADIUS, Ring, Shape, ellipsoid_distance};
use super::{Function, FunctionContext, pure};
use crate::convert;
use base::{Error, Result, code};
use velocypack::{Builder, Slice, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    pure("DISTANCE", 4, 4, distance),
    pure("GEO_DISTANCE", 2, 3, geo_distance),
    pure("GEO_CONTAINS", 2, 2, geo_contains),
    pure("GEO_INTERSECTS", 2, 2, |args, cx| relate(args, cx, "GEO_INTERSECTS", |a, b| a.intersects(b))),
    pure("GEO_EQUALS", 2, 2, |args, cx| relate(args, cx, "GEO_EQUALS", equals)),
    pure("GEO_AREA", 1, 2, geo_area),
    pure("GEO_IN_RANGE", 4, 7, geo_in_range),
    pure("IS_IN_POLYGON", 2, 3, is_in_polygon),
    pure("GEO_POINT", 2, 3, geo_point),
    pure("GEO_MULTIPOINT", 1, 1, |args, cx| construct(args, cx, "GEO_MULTIPOINT", "MultiPoint")),
    pure("GEO_LINESTRING", 1, 1, |args, cx| construct(args, cx, "GEO_LINESTRING", "LineString")),
    pure("GEO_MULTILINESTRING", 1, 1, |args, cx| construct(args, cx, "GEO_MULTILINESTRING", "MultiLineString")),
    pure("GEO_POLYGON", 1, 1, |args, cx| construct(args, cx, "GEO_POLYGON", "Polygon")),
    pure("GEO_MULTIPOLYGON", 1, 1, |args, cx| construct(args, cx, "GEO_MULTIPOLYGON", "MultiPolygon")),
];

/// Limit: edges of a shape, so that comparing two stays within seconds.
const EDGES_MAX: usize = 20_000;

fn position(slice: Slice<'_>) -> Option<Point> {
    let (longitude, latitude) = (slice.at(0)?.as_f64()?, slice.at(1)?.as_f64()?);
    let valid = (-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude);
    (valid && slice.is_array()).then(|| Point::from_degrees(longitude, latitude))
}

fn positions(slice: Slice<'_>, least: usize) -> Option<Vec<Point>> {
    let points: Vec<Point> = if slice.is_array() { slice.elements().map(position).collect::<Option<_>>()? } else { return None };
    (points.len() >= least && points.len() <= EDGES_MAX).then_some(points)
}

fn ring(slice: Slice<'_>) -> Option<Ring> {
    let points = positions(slice, 4)?;
    (points.first() == points.last()).then_some(Ring(points))
}

fn polygon(slice: Slice<'_>) -> Option<Polygon> {
    if !slice.is_array() {
        return None;
    }
    let mut rings = slice.elements().map(ring).collect::<Option<Vec<_>>>()?.into_iter();
    let polygon = Polygon { outer: rings.next()?, holes: rings.collect() };
    Some(polygon).filter(|polygon| polygon.outer.0.len() > 1000 || polygon.is_simple())
}

fn all<T>(slice: Slice<'_>, read: impl Fn(Slice<'_>) -> Option<T>) -> Option<Vec<T>> {
    if slice.is_array() && slice.len() > 0 { slice.elements().map(read).collect() } else { None }
}

/// Reads GeoJSON coordinates of a type.
fn coordinates(kind: &str, slice: Slice<'_>) -> Option<Shape> {
    let shape = Shape::default();
    Some(match kind.to_ascii_lowercase().as_str() {
        "point" => Shape { points: vec![position(slice)?], ..shape },
        "multipoint" => Shape { points: positions(slice, 1)?, ..shape },
        "linestring" => Shape { lines: vec![positions(slice, 2)?], ..shape },
        "multilinestring" => Shape { lines: all(slice, |line| positions(line, 2))?, ..shape },
        "polygon" => Shape { polygons: vec![polygon(slice)?], ..shape },
        "multipolygon" => Shape { polygons: all(slice, polygon)?, ..shape },
        _ => return None,
    })
}

/// A shape given as GeoJSON or as pair of coordinates.
fn shape(slice: Slice<'_>) -> Option<Shape> {
    if slice.is_array() {
        return Some(Shape { points: vec![position(slice)?], ..Shape::default() });
    }
    coordinates(slice.get("type")?.as_str()?, slice.get("coordinates")?)
}

fn invalid(cx: &mut FunctionContext, function: &str) -> Result<Value> {
    cx.warn(code::BAD_PARAMETER, format!("invalid geometry in call to function '{function}()'"));
    null()
}

/// Great-circle distance by the haversine formula.
fn distance(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let degrees = |place| slice(args, place).as_f64();
    let (Some(latitude_a), Some(longitude_a), Some(latitude_b), Some(longitude_b)) = (degrees(0), degrees(1), degrees(2), degrees(3))
    else {
        return mismatch(cx, "DISTANCE");
    };
    let valid = [latitude_a, latitude_b].iter().all(|latitude| latitude.abs() <= 90.0)
        && [longitude_a, longitude_b].iter().all(|longitude| longitude.abs() <= 180.0);
    if !valid {
        return mismatch(cx, "DISTANCE");
    }
    let half_sine = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin();
    let (by_latitude, by_longitude) = (half_sine(latitude_a, latitude_b), half_sine(longitude_a, longitude_b));
    let cosines = latitude_a.to_radians().cos() * latitude_b.to_radians().cos();
    let chord = by_latitude * by_latitude + by_longitude * by_longitude * cosines;
    Ok(convert::number(2.0 * RADIUS * chord.sqrt().atan2((1.0 - chord).sqrt())))
}

/// Distance of the centres of two shapes; `None` if one is no shape.
fn centre_distance(a: Slice<'_>, b: Slice<'_>, ellipsoid: Slice<'_>) -> Option<f64> {
    let (a, b) = (shape(a)?.centroid()?, shape(b)?.centroid()?);
    let on_sphere = || a.angle(b) * RADIUS;
    let wants_ellipsoid = ellipsoid.as_str().is_some_and(|name| name.eq_ignore_ascii_case("wgs84"));
    Some(if wants_ellipsoid { ellipsoid_distance(a, b).unwrap_or_else(on_sphere) } else { on_sphere() })
}

fn geo_distance(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    match centre_distance(slice(args, 0), slice(args, 1), slice(args, 2)) {
        Some(distance) => Ok(convert::number(distance)),
        None => mismatch(cx, "GEO_DISTANCE"),
    }
}

fn geo_in_range(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let (low, high) = (slice(args, 2).as_f64(), slice(args, 3).as_f64());
    let include = |place: usize| args.len() <= place || flag(args, place);
    let distance = centre_distance(slice(args, 0), slice(args, 1), slice(args, 6));
    let (Some(low), Some(high), Some(distance)) = (low, high, distance) else { return mismatch(cx, "GEO_IN_RANGE") };
    let above = distance > low || (distance == low && include(4));
    let below = distance < high || (distance == high && include(5));
    Ok(Value::bool(above && below))
}

fn relate(args: &[Value], cx: &mut FunctionContext, name: &str, holds: impl Fn(&Shape, &Shape) -> bool) -> Result<Value> {
    match (shape(slice(args, 0)), shape(slice(args, 1))) {
        (Some(a), Some(b)) => Ok(Value::bool(holds(&a, &b))),
        _ => invalid(cx, name),
    }
}

fn geo_contains(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    match shape(slice(args, 0)) {
        Some(container) if !container.polygons.is_empty() => relate(args, cx, "GEO_CONTAINS", |a, b| a.contains(b)),
        _ => invalid(cx, "GEO_CONTAINS"),
    }
}

/// Equal shapes: the same points, and each polygon contains the other.
fn equals(a: &Shape, b: &Shape) -> bool {
    let close = |a: &[Point], b: &[Point]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.angle(*b) < 1e-11);
    let lines = a.lines.len() == b.lines.len() && a.lines.iter().zip(&b.lines).all(|(a, b)| close(a, b));
    let areas = a.polygons.len() == b.polygons.len() && (a.polygons.is_empty() || (a.contains(b) && b.contains(a)));
    close(&a.points, &b.points) && lines && areas
}

fn geo_area(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    match shape(slice(args, 0)) {
        Some(shape) => Ok(convert::number(shape.area())),
        None => invalid(cx, "GEO_AREA"),
    }
}

fn geo_point(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let numbers: Option<Vec<f64>> = args.iter().map(|arg| arg.as_slice().as_f64()).collect();
    let Some(numbers) = numbers else { return mismatch(cx, "GEO_POINT") };
    let coordinates = Value::array(numbers.into_iter().map(Value::double));
    if position(coordinates.as_slice()).is_none() {
        return mismatch(cx, "GEO_POINT");
    }
    geo_json("Point", coordinates.as_slice())
}

fn geo_json(kind: &str, coordinates: Slice<'_>) -> Result<Value> {
    let mut builder = Builder::new();
    builder.open_object().key("type").string(kind).key("coordinates").add(coordinates);
    builder.close().finish().map_err(|error| Error::internal(error.to_string()))
}

/// A GeoJSON object of checked coordinates; a polygon may be given as a single ring.
fn construct(args: &[Value], cx: &mut FunctionContext, name: &str, kind: &str) -> Result<Value> {
    let given = slice(args, 0);
    if !given.is_array() {
        return array_expected(cx);
    }
    let is_single_ring = kind == "Polygon" && given.at(0).and_then(|first| first.at(0)).is_some_and(Slice::is_number);
    let coordinates_given = if is_single_ring { Value::array([given.to_value()]) } else { given.to_value() };
    let least = if kind == "MultiPoint" { 2 } else { 1 };
    if given.len() < least || coordinates(kind, coordinates_given.as_slice()).is_none() {
        return mismatch(cx, name);
    }
    geo_json(kind, coordinates_given.as_slice())
}

/// Planar test, kept for old queries.
fn is_in_polygon(args: &[Value], cx: &mut FunctionContext) -> Result<Value> {
    let polygon = slice(args, 0);
    if !polygon.is_array() {
        cx.warn_code(code::QUERY_ARRAY_EXPECTED);
        return Ok(Value::bool(false));
    }
    let (point, longitude_first) = match slice(args, 1) {
        pair if pair.is_array() => (pair_of(pair, flag(args, 2)), flag(args, 2)),
        latitude if latitude.is_number() && slice(args, 2).is_number() => {
            (Some((latitude.as_f64().unwrap_or(0.0), number(args, 2))), false)
        }
        _ => {
            cx.warn_argument("IS_IN_POLYGON");
            return Ok(Value::bool(false));
        }
    };
    let corners: Option<Vec<(f64, f64)>> = polygon.elements().map(|corner| pair_of(corner, longitude_first)).collect();
    let (Some(point), Some(corners)) = (point, corners) else { return Ok(Value::bool(false)) };
    Ok(Value::bool(is_inside(point, &corners)))
}

/// Latitude and longitude of a pair.
fn pair_of(pair: Slice<'_>, longitude_first: bool) -> Option<(f64, f64)> {
    let (first, second) = (pair.at(0)?.as_f64()?, pair.at(1)?.as_f64()?);
    Some(if longitude_first { (second, first) } else { (first, second) })
}

/// Even-odd rule.
fn is_inside((latitude, longitude): (f64, f64), corners: &[(f64, f64)]) -> bool {
    let mut inside = false;
    let mut before = corners.last();
    for corner in corners {
        if let Some((before_latitude, before_longitude)) = before.filter(|before| (before.1 > longitude) != (corner.1 > longitude)) {
            let share = (longitude - corner.1) / (before_longitude - corner.1);
            inside ^= latitude < corner.0 + share * (before_latitude - corner.0);
        }
        before = Some(corner);
    }
    inside
}
