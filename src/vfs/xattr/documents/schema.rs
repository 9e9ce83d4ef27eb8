//! The shape of every document, as the model of S3's API has it.
//!
//! Members are in the order of botocore's `s3/2006-03-01/service-2.json`, the model from which
//! `aws s3api` is made; a test compares the two. Of its lists of words only those are here
//! that do not grow: storage classes, events and encryption algorithms are left to S3.

use crate::store::types::DocumentKind;
use crate::vfs::xattr::documents::shape::Shape::{
    Flat, InstanceType, Number, OneOf, Structure, Text, Time, Truth, Wrapped,
};
use crate::vfs::xattr::documents::shape::{Member, Shape, optional, required};

/// The members of a document of that kind; `None` for a policy, which is not S3's own language.
pub(crate) fn members_of(kind: DocumentKind) -> Option<&'static [Member]> {
    match kind {
        DocumentKind::Cors => Some(CORS),
        DocumentKind::Lifecycle => Some(LIFECYCLE),
        DocumentKind::Policy => None,
        DocumentKind::BucketTagging => Some(TAGGING),
        DocumentKind::Versioning => Some(VERSIONING),
        DocumentKind::BucketEncryption => Some(ENCRYPTION),
        DocumentKind::Website => Some(WEBSITE),
        DocumentKind::PublicAccessBlock => Some(PUBLIC_ACCESS_BLOCK),
        DocumentKind::OwnershipControls => Some(OWNERSHIP_CONTROLS),
        DocumentKind::Notification => Some(NOTIFICATION),
        DocumentKind::Logging => Some(LOGGING),
        DocumentKind::RequestPayment => Some(REQUEST_PAYMENT),
        DocumentKind::ObjectLock => Some(OBJECT_LOCK),
        DocumentKind::Retention => Some(RETENTION),
        DocumentKind::LegalHold => Some(LEGAL_HOLD),
    }
}

const CORS: &[Member] = &[required(
    "CORSRules",
    Flat(&Structure(&[
        optional("ID", Text),
        optional("AllowedHeaders", Flat(&Text)).at("AllowedHeader"),
        required("AllowedMethods", Flat(&Text)).at("AllowedMethod"),
        required("AllowedOrigins", Flat(&Text)).at("AllowedOrigin"),
        optional("ExposeHeaders", Flat(&Text)).at("ExposeHeader"),
        optional("MaxAgeSeconds", Number),
    ])),
)
.at("CORSRule")];

const LIFECYCLE: &[Member] = &[required(
    "Rules",
    Flat(&Structure(&[
        optional(
            "Expiration",
            Structure(&[
                optional("Date", Time),
                optional("Days", Number),
                optional("ExpiredObjectDeleteMarker", Truth),
            ]),
        ),
        optional("ID", Text),
        // Deprecated for `Filter`, and still what many rules have.
        optional("Prefix", Text),
        optional("Filter", LIFECYCLE_FILTER),
        required("Status", OneOf(&["Enabled", "Disabled"])),
        optional(
            "Transitions",
            Flat(&Structure(&[
                optional("Date", Time),
                optional("Days", Number),
                optional("StorageClass", Text),
            ])),
        )
        .at("Transition"),
        optional(
            "NoncurrentVersionTransitions",
            Flat(&Structure(&[
                optional("NoncurrentDays", Number),
                optional("StorageClass", Text),
                optional("NewerNoncurrentVersions", Number),
            ])),
        )
        .at("NoncurrentVersionTransition"),
        optional(
            "NoncurrentVersionExpiration",
            Structure(&[
                optional("NoncurrentDays", Number),
                optional("NewerNoncurrentVersions", Number),
            ]),
        ),
        optional(
            "AbortIncompleteMultipartUpload",
            Structure(&[optional("DaysAfterInitiation", Number)]),
        ),
    ])),
)
.at("Rule")];

const LIFECYCLE_FILTER: Shape = Structure(&[
    optional("Prefix", Text),
    optional("Tag", TAG),
    optional("ObjectSizeGreaterThan", Number),
    optional("ObjectSizeLessThan", Number),
    optional(
        "And",
        Structure(&[
            optional("Prefix", Text),
            optional("Tags", Flat(&TAG)).at("Tag"),
            optional("ObjectSizeGreaterThan", Number),
            optional("ObjectSizeLessThan", Number),
        ]),
    ),
]);

const TAG: Shape = Structure(&[required("Key", Text), required("Value", Text)]);

/// `Tagging`, of a bucket and of an object.
pub(crate) const TAGGING: &[Member] = &[required("TagSet", Wrapped("Tag", &TAG))];

const VERSIONING: &[Member] = &[
    optional("MFADelete", OneOf(&["Enabled", "Disabled"])).at("MfaDelete"),
    optional("Status", OneOf(&["Enabled", "Suspended"])),
];

const ENCRYPTION: &[Member] = &[required(
    "Rules",
    Flat(&Structure(&[
        optional(
            "ApplyServerSideEncryptionByDefault",
            Structure(&[required("SSEAlgorithm", Text), optional("KMSMasterKeyID", Text)]),
        ),
        optional("BucketKeyEnabled", Truth),
        optional("BlockedEncryptionTypes", Structure(&[optional("EncryptionType", Flat(&Text))])),
    ])),
)
.at("Rule")];

const WEBSITE: &[Member] = &[
    optional("ErrorDocument", Structure(&[required("Key", Text)])),
    optional("IndexDocument", Structure(&[required("Suffix", Text)])),
    optional(
        "RedirectAllRequestsTo",
        Structure(&[required("HostName", Text), optional("Protocol", PROTOCOL)]),
    ),
    optional("RoutingRules", Wrapped("RoutingRule", &ROUTING_RULE)),
];

const ROUTING_RULE: Shape = Structure(&[
    optional(
        "Condition",
        Structure(&[
            optional("HttpErrorCodeReturnedEquals", Text),
            optional("KeyPrefixEquals", Text),
        ]),
    ),
    required(
        "Redirect",
        Structure(&[
            optional("HostName", Text),
            optional("HttpRedirectCode", Text),
            optional("Protocol", PROTOCOL),
            optional("ReplaceKeyPrefixWith", Text),
            optional("ReplaceKeyWith", Text),
        ]),
    ),
]);

const PROTOCOL: Shape = OneOf(&["http", "https"]);

const PUBLIC_ACCESS_BLOCK: &[Member] = &[
    optional("BlockPublicAcls", Truth),
    optional("IgnorePublicAcls", Truth),
    optional("BlockPublicPolicy", Truth),
    optional("RestrictPublicBuckets", Truth),
];

const OWNERSHIP_CONTROLS: &[Member] = &[required(
    "Rules",
    Flat(&Structure(&[required(
        "ObjectOwnership",
        OneOf(&["BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"]),
    )])),
)
.at("Rule")];

const NOTIFICATION: &[Member] = &[
    optional(
        "TopicConfigurations",
        Flat(&Structure(&[
            optional("Id", Text),
            required("TopicArn", Text).at("Topic"),
            EVENTS,
            EVENT_FILTER,
        ])),
    )
    .at("TopicConfiguration"),
    optional(
        "QueueConfigurations",
        Flat(&Structure(&[
            optional("Id", Text),
            required("QueueArn", Text).at("Queue"),
            EVENTS,
            EVENT_FILTER,
        ])),
    )
    .at("QueueConfiguration"),
    optional(
        "LambdaFunctionConfigurations",
        Flat(&Structure(&[
            optional("Id", Text),
            required("LambdaFunctionArn", Text).at("CloudFunction"),
            EVENTS,
            EVENT_FILTER,
        ])),
    )
    .at("CloudFunctionConfiguration"),
    optional("EventBridgeConfiguration", Structure(&[])),
];

const EVENTS: Member = required("Events", Flat(&Text)).at("Event");

const EVENT_FILTER: Member = optional(
    "Filter",
    Structure(&[optional(
        "Key",
        Structure(&[optional(
            "FilterRules",
            Flat(&Structure(&[optional("Name", Text), optional("Value", Text)])),
        )
        .at("FilterRule")]),
    )
    .at("S3Key")]),
);

const LOGGING: &[Member] = &[optional(
    "LoggingEnabled",
    Structure(&[
        required("TargetBucket", Text),
        optional(
            "TargetGrants",
            Wrapped(
                "Grant",
                &Structure(&[
                    optional("Grantee", GRANTEE),
                    optional("Permission", OneOf(&["FULL_CONTROL", "READ", "WRITE"])),
                ]),
            ),
        ),
        required("TargetPrefix", Text),
        optional(
            "TargetObjectKeyFormat",
            Structure(&[
                optional("SimplePrefix", Structure(&[])),
                optional(
                    "PartitionedPrefix",
                    Structure(&[optional(
                        "PartitionDateSource",
                        OneOf(&["EventTime", "DeliveryTime"]),
                    )]),
                ),
            ]),
        ),
    ]),
)];

const GRANTEE: Shape = Structure(&[
    optional("DisplayName", Text),
    optional("EmailAddress", Text),
    optional("ID", Text),
    required("Type", InstanceType(&["CanonicalUser", "AmazonCustomerByEmail", "Group"])),
    optional("URI", Text),
]);

const REQUEST_PAYMENT: &[Member] = &[required("Payer", OneOf(&["BucketOwner", "Requester"]))];

const OBJECT_LOCK: &[Member] = &[
    optional("ObjectLockEnabled", OneOf(&["Enabled"])),
    optional(
        "Rule",
        Structure(&[optional(
            "DefaultRetention",
            Structure(&[
                optional("Mode", RETENTION_MODE),
                optional("Days", Number),
                optional("Years", Number),
                optional("DefaultEventHold", DURATION),
            ]),
        )]),
    ),
];

const RETENTION: &[Member] = &[
    optional("Mode", RETENTION_MODE),
    optional("RetainUntilDate", Time),
    optional("EventHold", ON_OR_OFF),
    optional("EventHoldDuration", DURATION),
];

const LEGAL_HOLD: &[Member] = &[optional("Status", ON_OR_OFF)];

const RETENTION_MODE: Shape = OneOf(&["GOVERNANCE", "COMPLIANCE"]);

const DURATION: Shape = Structure(&[optional("Days", Number), optional("Years", Number)]);

const ON_OR_OFF: Shape = OneOf(&["ON", "OFF"]);

/// `AccessControlPolicy`. The model requires less of it than S3 does.
pub(crate) const ACCESS_CONTROL_POLICY: &[Member] = &[
    required(
        "Grants",
        Wrapped(
            "Grant",
            &Structure(&[required("Grantee", GRANTEE), required("Permission", PERMISSION)]),
        ),
    )
    .at("AccessControlList"),
    required("Owner", Structure(&[optional("DisplayName", Text), required("ID", Text)])),
];

const PERMISSION: Shape = OneOf(&["FULL_CONTROL", "WRITE", "WRITE_ACP", "READ", "READ_ACP"]);

/// `RestoreRequest`, without what belongs to SELECT.
pub(crate) const RESTORE_REQUEST: &[Member] = &[
    required("Days", Number),
    optional(
        "GlacierJobParameters",
        Structure(&[required("Tier", OneOf(&["Standard", "Bulk", "Expedited"]))]),
    ),
];
