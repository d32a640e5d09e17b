//! *Views* of a face: crops of the resized picture, mirrored or not. Averaging the outputs for several of
//! them is test-time augmentation (Krizhevsky et al. 2012).

/// One crop of a resized face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    place: Place,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Centre,
    Corner { bottom: bool, right: bool },
}

impl View {
    /// The centre.
    pub const CENTRE: Self = Self { place: Place::Centre, mirrored: false };
    /// The mirror image of the centre.
    pub const MIRRORED_CENTRE: Self = Self { place: Place::Centre, mirrored: true };

    const fn corner(bottom: bool, right: bool, mirrored: bool) -> Self {
        Self { place: Place::Corner { bottom, right }, mirrored }
    }

    /// Row and column at which a crop of side `crop` begins in a face of side `resize`.
    pub fn start(self, resize: usize, crop: usize) -> [usize; 2] {
        let margin = resize - crop;
        match self.place {
            Place::Centre => [margin / 2; 2],
            Place::Corner { bottom, right } => [bottom, right].map(|far| if far { margin } else { 0 }),
        }
    }
}

/// The crops of [`Views::TenCrop`]; the other kinds are their beginnings.
const TEN: [View; 10] = [
    View::CENTRE,
    View::MIRRORED_CENTRE,
    View::corner(false, false, false),
    View::corner(false, false, true),
    View::corner(false, true, false),
    View::corner(false, true, true),
    View::corner(true, false, false),
    View::corner(true, false, true),
    View::corner(true, true, false),
    View::corner(true, true, true),
];

/// The views of a face over which outputs are averaged.
///
/// ```
/// use duchenne::Views;
///
/// assert_eq!(Views::Centre.list().len(), 1);
/// assert_eq!(Views::Mirrored.list().len(), 2);
/// assert_eq!(Views::TenCrop.list().len(), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// The centre alone.
    Centre,
    /// The centre and its mirror image.
    Mirrored,
    /// The centre, the four corners, and their mirror images.
    TenCrop,
}

impl Views {
    /// Every view once.
    pub fn list(self) -> &'static [View] {
        match self {
            Views::Centre => &TEN[..1],
            Views::Mirrored => &TEN[..2],
            Views::TenCrop => &TEN,
        }
    }

    /// The average, in the words of reports.
    pub fn description(self) -> &'static str {
        match self {
            Views::Centre => "none: the centre alone",
            Views::Mirrored => "mean of the logits of the face and of its mirror image",
            Views::TenCrop => "mean of the logits of the centre, the four corners, and their mirror images",
        }
    }

    /// Every view of every face, the views of a face next to each other.
    pub fn of<'a>(self, faces: &[&'a [u8]]) -> Vec<(&'a [u8], View)> {
        faces.iter().flat_map(|face| self.list().iter().map(|view| (*face, *view))).collect()
    }

    /// The mean over the views of each of `faces` faces: outputs `[faces, views, length]` to `[faces, length]`, row-major.
    pub fn average(self, outputs: &[f32], faces: usize) -> Vec<f32> {
        let count = self.list().len();
        let length = outputs.len() / (faces * count).max(1);
        // Of no faces the length is not known.
        let faces = outputs.chunks_exact((count * length).max(1));
        faces
            .flat_map(|views| {
                (0..length).map(move |at| views[at..].iter().step_by(length).sum::<f32>() / count as f32)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_crops_are_five_places_twice() {
        let views = Views::TenCrop.list();
        let places = |mirrored: bool| -> Vec<[usize; 2]> {
            views.iter().filter(|view| view.mirrored == mirrored).map(|view| view.start(48, 44)).collect()
        };
        let expected = [[2, 2], [0, 0], [0, 4], [4, 0], [4, 4]];
        assert_eq!(places(false), expected);
        assert_eq!(places(true), expected);
    }

    #[test]
    fn averages_are_over_the_views_of_each_face() {
        for (views, expected) in [
            (Views::Centre, [1.0, 1.0, 0.0]),
            (Views::Mirrored, [1.0, 1.0, 0.5]),
            (Views::TenCrop, [1.4, 1.4, 0.5]),
        ] {
            let crops = views.of(&[&[1], &[2]]);
            let outputs = crops.iter().flat_map(|(face, view)| {
                let [row, column] = view.start(5, 2);
                [row as f32, column as f32, f32::from(u8::from(view.mirrored))]
                    .map(|value| value * f32::from(face[0]))
            });
            let outputs: Vec<f32> = outputs.collect();
            let found = views.average(&outputs, 2);
            assert_eq!(found[..3], expected);
            assert_eq!(found[3..], expected.map(|value| 2.0 * value));
        }
    }
}
