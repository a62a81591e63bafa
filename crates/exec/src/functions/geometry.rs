//! Shapes on the sphere: points as unit vectors, lines and polygons with geodesic edges, and what can be
//! asked of them.
//!
//! A polygon is one outer ring and holes. The interior of a ring is the smaller of the two parts that it
//! cuts the sphere into, so the order of its points does not matter.

/// Mean radius of the earth in metres.
pub(super) const RADIUS: f64 = 6_371_000.0;

/// Points closer than this (radians, below a tenth of a millimetre) are the same.
const NEAR: f64 = 1e-11;

/// A point as unit vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point(pub [f64; 3]);

impl Point {
    pub(super) fn from_degrees(longitude: f64, latitude: f64) -> Self {
        let (longitude, latitude) = (longitude.to_radians(), latitude.to_radians());
        Self([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()])
    }

    /// Longitude and latitude in degrees.
    pub(super) fn degrees(self) -> (f64, f64) {
        let [x, y, z] = self.0;
        (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
    }

    fn dot(self, other: Self) -> f64 {
        self.0.iter().zip(other.0).map(|(a, b)| a * b).sum()
    }

    fn cross(self, other: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([b * f - c * e, c * d - a * f, a * e - b * d])
    }

    fn plus(self, other: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([a + d, b + e, c + f])
    }

    fn times(self, factor: f64) -> Self {
        Self(self.0.map(|part| part * factor))
    }

    fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    fn unit(self) -> Option<Self> {
        let length = self.length();
        (length > 1e-15).then(|| self.times(1.0 / length))
    }

    /// Angle between two points in radians.
    pub(super) fn angle(self, other: Self) -> f64 {
        self.cross(other).length().atan2(self.dot(other))
    }

    fn is_near(self, other: Self) -> bool {
        self.angle(other) < NEAR
    }
}

/// Signed volume of three vectors: above zero if they turn left.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    a.cross(b).dot(c)
}

fn edges(points: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    points.windows(2).filter_map(|pair| if let [a, b] = pair { Some((*a, *b)) } else { None })
}

/// Does the point lie on the edge?
fn is_on_edge(point: Point, (a, b): (Point, Point)) -> bool {
    a.angle(point) + point.angle(b) - a.angle(b) < NEAR
}

/// Do two edges share a point?
fn edges_meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let ends = [(a, (c, d)), (b, (c, d)), (c, (a, b)), (d, (a, b))];
    if ends.into_iter().any(|(point, edge)| is_on_edge(point, edge)) {
        return true;
    }
    let (acb, bda) = (-turn(a, b, c), turn(a, b, d));
    let (cbd, dac) = (-turn(c, d, b), turn(c, d, a));
    let same_sign = |x: f64, y: f64| x * y > 0.0;
    same_sign(acb, bda) && same_sign(bda, cbd) && same_sign(cbd, dac)
}

/// A closed ring: its first point is also its last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ring(pub Vec<Point>);

impl Ring {
    /// Angle that the ring turns around a point in radians.
    fn winding(&self, point: Point) -> f64 {
        let turn_at = |a: Point, b: Point| {
            let (left, right) = (point.cross(a), point.cross(b));
            turn(left, right, point).atan2(left.dot(right))
        };
        edges(&self.0).map(|(a, b)| turn_at(a, b)).sum()
    }

    /// Area inside on the unit sphere, above zero for rings that turn left.
    fn signed_area(&self) -> f64 {
        let Some(first) = self.0.first() else { return 0.0 };
        edges(&self.0).map(|(a, b)| 2.0 * turn(*first, a, b).atan2(1.0 + first.dot(a) + a.dot(b) + b.dot(*first))).sum()
    }

    /// Area of the smaller part.
    fn area(&self) -> f64 {
        let area = self.signed_area().abs() % (4.0 * std::f64::consts::PI);
        area.min(4.0 * std::f64::consts::PI - area)
    }

    fn is_on_border(&self, point: Point) -> bool {
        edges(&self.0).any(|edge| is_on_edge(point, edge))
    }

    /// Is the point inside or on the border?
    fn contains(&self, point: Point) -> bool {
        if self.is_on_border(point) {
            return true;
        }
        // Seen from the point, a ring around it turns once; one around the opposite point does so, too.
        let center = self.0.iter().fold(Point([0.0; 3]), |sum, point| sum.plus(*point));
        self.winding(point).abs() > std::f64::consts::PI && center.dot(point) > 0.0
    }

    fn crosses_itself(&self) -> bool {
        let all: Vec<_> = edges(&self.0).collect();
        all.iter().enumerate().any(|(place, edge)| {
            // Neighbours share a point, the last edge and the first one, too.
            let others = all.iter().enumerate().skip(place + 2).filter(|(other, _)| place != 0 || *other != all.len() - 1);
            others.into_iter().any(|(_, other)| edges_meet(*edge, *other))
        })
    }
}

/// Outer ring and holes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Polygon {
    pub outer: Ring,
    pub holes: Vec<Ring>,
}

impl Polygon {
    fn contains(&self, point: Point) -> bool {
        self.outer.contains(point) && self.holes.iter().all(|hole| !hole.contains(point) || hole.is_on_border(point))
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> + '_ {
        edges(&self.outer.0).chain(self.holes.iter().flat_map(|hole| edges(&hole.0)))
    }

    fn area(&self) -> f64 {
        self.outer.area() - self.holes.iter().map(Ring::area).sum::<f64>()
    }

    /// Rings do not cross themselves.
    pub(super) fn is_simple(&self) -> bool {
        !self.outer.crosses_itself() && self.holes.iter().all(|hole| !hole.crosses_itself())
    }
}

/// Points, lines and polygons together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    pub points: Vec<Point>,
    pub lines: Vec<Vec<Point>>,
    pub polygons: Vec<Polygon>,
}

impl Shape {
    fn edges(&self) -> Vec<(Point, Point)> {
        self.lines.iter().flat_map(|line| edges(line)).chain(self.polygons.iter().flat_map(Polygon::edges)).collect()
    }

    /// A point of each part, all points of points.
    fn probes(&self) -> impl Iterator<Item = Point> + '_ {
        let lines = self.lines.iter().filter_map(|line| line.first());
        let polygons = self.polygons.iter().filter_map(|polygon| polygon.outer.0.first());
        self.points.iter().chain(lines).chain(polygons).copied()
    }

    fn vertices(&self) -> impl Iterator<Item = Point> + '_ {
        let rings = self.polygons.iter().flat_map(|polygon| std::iter::once(&polygon.outer).chain(&polygon.holes));
        self.points.iter().chain(self.lines.iter().flatten()).chain(rings.flat_map(|ring| &ring.0)).copied()
    }

    fn touches(&self, point: Point) -> bool {
        self.points.iter().any(|own| own.is_near(point))
            || self.polygons.iter().any(|polygon| polygon.contains(point))
            || self.lines.iter().any(|line| edges(line).any(|edge| is_on_edge(point, edge)))
    }

    /// Do the shapes share a point?
    pub(super) fn intersects(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.edges(), other.edges());
        self.probes().any(|point| other.touches(point))
            || other.probes().any(|point| self.touches(point))
            || mine.iter().any(|edge| theirs.iter().any(|other| edges_meet(*edge, *other)))
    }

    /// Does one of the polygons contain all of the other shape?
    pub(super) fn contains(&self, other: &Self) -> bool {
        let inside = |point| self.polygons.iter().any(|polygon| polygon.contains(point));
        let middle = |(a, b): (Point, Point)| a.plus(b).unit();
        let crossing = |edge: (Point, Point)| {
            let own = self.polygons.iter().flat_map(Polygon::edges);
            own.into_iter().any(|own| {
                edges_meet(edge, own)
                    && ![edge.0, edge.1].iter().any(|end| is_on_edge(*end, own))
                    && ![own.0, own.1].iter().any(|end| is_on_edge(*end, edge))
            })
        };
        let hole_inside = |polygon: &Polygon| {
            let holes = self.polygons.iter().flat_map(|own| &own.holes);
            holes.into_iter().any(|hole| hole.0.iter().all(|point| polygon.contains(*point) && !polygon.outer.is_on_border(*point)))
        };
        other.vertices().all(inside)
            && other.edges().into_iter().all(|edge| !crossing(edge) && middle(edge).is_none_or(inside))
            && !other.polygons.iter().any(hole_inside)
    }

    /// Area in square metres.
    pub(super) fn area(&self) -> f64 {
        self.polygons.iter().map(Polygon::area).sum::<f64>() * RADIUS * RADIUS
    }

    /// Centre of the parts with the highest dimension.
    pub(super) fn centroid(&self) -> Option<Point> {
        let mut sum = Point([0.0; 3]);
        if !self.polygons.is_empty() {
            for polygon in &self.polygons {
                let weigh = |ring: &Ring| ring_centroid(ring).times(ring.signed_area().signum());
                sum = sum.plus(weigh(&polygon.outer));
                for hole in &polygon.holes {
                    sum = sum.plus(weigh(hole).times(-1.0));
                }
            }
        } else if !self.lines.is_empty() {
            for (a, b) in self.lines.iter().flat_map(|line| edges(line)) {
                let middle = a.plus(b).unit().unwrap_or(a);
                sum = sum.plus(middle.times(2.0 * (a.angle(b) / 2.0).sin()));
            }
        } else {
            sum = self.points.iter().fold(sum, |sum, point| sum.plus(*point));
        }
        sum.unit().or_else(|| self.vertices().next())
    }
}

/// Sum of the vectors to all points inside a ring (by Stokes' theorem, from its edges).
fn ring_centroid(ring: &Ring) -> Point {
    edges(&ring.0).fold(Point([0.0; 3]), |sum, (a, b)| match a.cross(b).unit() {
        Some(normal) => sum.plus(normal.times(a.angle(b) / 2.0)),
        None => sum,
    })
}

/// Length of the shortest way on the WGS84 ellipsoid in metres (Vincenty's method); `None` for points nearly opposite
/// each other, where the method does not converge.
pub(super) fn ellipsoid_distance(a: Point, b: Point) -> Option<f64> {
    const MAJOR: f64 = 6_378_137.0;
    const FLATTENING: f64 = 1.0 / 298.257_223_563;
    const MINOR: f64 = MAJOR * (1.0 - FLATTENING);
    let ((longitude_a, latitude_a), (longitude_b, latitude_b)) = (a.degrees(), b.degrees());
    let reduced = |latitude: f64| ((1.0 - FLATTENING) * latitude.to_radians().tan()).atan().sin_cos();
    let ((sin_u, cos_u), (sin_v, cos_v)) = (reduced(latitude_a), reduced(latitude_b));
    let difference = (longitude_b - longitude_a).to_radians();
    let mut lambda = difference;
    for _ in 0..200 {
        let (sin_lambda, cos_lambda) = lambda.sin_cos();
        let sin_sigma = (cos_v * sin_lambda).hypot(cos_u * sin_v - sin_u * cos_v * cos_lambda);
        if sin_sigma == 0.0 {
            return Some(0.0);
        }
        let cos_sigma = sin_u * sin_v + cos_u * cos_v * cos_lambda;
        let sigma = sin_sigma.atan2(cos_sigma);
        let sin_alpha = cos_u * cos_v * sin_lambda / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        let cos_2m = if cos2_alpha == 0.0 { 0.0 } else { cos_sigma - 2.0 * sin_u * sin_v / cos2_alpha };
        let c = FLATTENING / 16.0 * cos2_alpha * (4.0 + FLATTENING * (4.0 - 3.0 * cos2_alpha));
        let inner = cos_2m + c * cos_sigma * (2.0 * cos_2m * cos_2m - 1.0);
        let next = difference + (1.0 - c) * FLATTENING * sin_alpha * (sigma + c * sin_sigma * inner);
        if (next - lambda).abs() < 1e-12 {
            let u2 = cos2_alpha * (MAJOR * MAJOR - MINOR * MINOR) / (MINOR * MINOR);
            let big_a = 1.0 + u2 / 16384.0 * (4096.0 + u2 * (u2 * (320.0 - 175.0 * u2) - 768.0));
            let big_b = u2 / 1024.0 * (256.0 + u2 * (u2 * (74.0 - 47.0 * u2) - 128.0));
            let third = big_b / 6.0 * cos_2m * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * cos_2m * cos_2m - 3.0);
            let delta = big_b * sin_sigma * (cos_2m + big_b / 4.0 * (cos_sigma * (2.0 * cos_2m * cos_2m - 1.0) - third));
            return Some(MINOR * big_a * (sigma - delta));
        }
        lambda = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(west: f64, south: f64, size: f64) -> Shape {
        let corners = [(0.0, 0.0), (size, 0.0), (size, size), (0.0, size), (0.0, 0.0)];
        let ring = corners.iter().map(|(x, y)| Point::from_degrees(west + x, south + y)).collect();
        Shape { polygons: vec![Polygon { outer: Ring(ring), holes: Vec::new() }], ..Shape::default() }
    }

    fn point(longitude: f64, latitude: f64) -> Shape {
        Shape { points: vec![Point::from_degrees(longitude, latitude)], ..Shape::default() }
    }

    #[test]
    fn squares_and_points() {
        let big = square(0.0, 0.0, 10.0);
        assert!(big.contains(&point(5.0, 5.0)) && !big.contains(&point(15.0, 5.0)) && !big.contains(&point(-175.0, -5.0)));
        assert!(big.contains(&square(2.0, 2.0, 3.0)) && !big.contains(&square(8.0, 8.0, 3.0)));
        assert!(big.intersects(&square(8.0, 8.0, 3.0)) && !big.intersects(&square(20.0, 8.0, 3.0)));
        assert!(square(2.0, 2.0, 3.0).intersects(&big) && big.contains(&big));
        let mut turned = square(0.0, 0.0, 10.0);
        turned.polygons.iter_mut().for_each(|polygon| polygon.outer.0.reverse());
        assert!(turned.contains(&point(5.0, 5.0)));
        assert!((turned.area() - big.area()).abs() < 1.0);
    }

    #[test]
    fn holes_are_outside() {
        let mut ring = square(0.0, 0.0, 10.0);
        let hole = square(4.0, 4.0, 2.0).polygons.remove(0).outer;
        ring.polygons[0].holes.push(hole);
        assert!(ring.contains(&point(1.0, 1.0)) && !ring.contains(&point(5.0, 5.0)));
        assert!(!ring.contains(&square(3.0, 3.0, 4.0)));
    }

    #[test]
    fn known_sizes() {
        // An eighth of the sphere.
        let octant = [(0.0, 0.0), (90.0, 0.0), (0.0, 90.0), (0.0, 0.0)].map(|(x, y)| Point::from_degrees(x, y)).to_vec();
        let octant = Shape { polygons: vec![Polygon { outer: Ring(octant), holes: Vec::new() }], ..Shape::default() };
        let wanted = 4.0 * std::f64::consts::PI * RADIUS * RADIUS / 8.0;
        assert!((octant.area() / wanted - 1.0).abs() < 1e-12);
        let (longitude, latitude) = octant.centroid().unwrap().degrees();
        assert!((longitude - 45.0).abs() < 1e-9 && (latitude - (1.0 / 2.0_f64.sqrt()).atan().to_degrees()).abs() < 1e-9);
        // Flinders Peak to Buninyong, the textbook example: 54972.271 m on a slightly different ellipsoid.
        let distance =
            ellipsoid_distance(Point::from_degrees(144.424_867_9, -37.951_033_4), Point::from_degrees(143.926_495_5, -37.652_821_1));
        assert!((distance.unwrap() - 54_972.27).abs() < 0.1);
    }
}
