//! Shapes: what a document may hold, as a value.
//!
//! One description drives both ways, XML to JSON and back. Names in JSON and names of elements
//! part where S3's API parted them: a list `CORSRules` is repeated elements `CORSRule`.

/// What a value is.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// One of these words. Only for lists to which S3 does not add.
    OneOf(&'static [&'static str]),
    /// One of these words, in the attribute `xsi:type` of the element that the member is in.
    InstanceType(&'static [&'static str]),
    /// A whole number, from zero on.
    Number,
    /// `true` or `false`.
    Truth,
    /// A time in ISO 8601.
    Time,
    /// An element with members.
    Structure(&'static [Member]),
    /// A list whose items stand in the element that has the member, each in an element of the
    /// member's name.
    Flat(&'static Shape),
    /// A list in an element of its own, its items in elements of this name.
    Wrapped(&'static str, &'static Shape),
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// The member's name in JSON.
    pub(crate) name: &'static str,
    /// The element's name in XML.
    pub(crate) element: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

impl Member {
    /// The same in an element of another name.
    pub(crate) const fn at(self, element: &'static str) -> Self {
        // A shape has nothing to drop, but a constant can't take `self` apart.
        Self { element, ..self }
    }
}

/// A member that may be left out.
pub(crate) const fn optional(name: &'static str, shape: Shape) -> Member {
    Member { name, element: name, shape, required: false }
}

/// A member that has to be there.
pub(crate) const fn required(name: &'static str, shape: Shape) -> Member {
    Member { name, element: name, shape, required: true }
}
