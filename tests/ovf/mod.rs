//! A checker of OVF descriptors that follows DMTF's schemas, for the part of them that machines with
//! one disk use: DSP8023 1.1.1 (envelope), CIM_ResourceAllocationSettingData (`rasd`) and
//! CIM_VirtualSystemSettingData (`vssd`). Elements and attributes it does not know are errors, but
//! for those of other namespaces where the schema has `xs:any`.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

pub const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
pub const RASD: &str =
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";
const VSSD: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData";

/// Children in the order of the schema: name, least, most.
type Sequence = &'static [(&'static str, usize, usize)];

const MANY: usize = usize::MAX;
/// Sections may come in any order.
const PACKAGE_SECTIONS: &[&str] = &["DiskSection", "NetworkSection"];
const MACHINE_SECTIONS: &[&str] = &["OperatingSystemSection", "VirtualHardwareSection"];

/// Name; required and optional attributes; children; whether others may follow them.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str], Sequence, bool);

const ELEMENTS: &[Rule] = &[
    (
        "Envelope",
        &[],
        &[],
        &[("References", 1, 1), ("Section", 0, MANY), ("VirtualSystem", 1, 1)],
        false,
    ),
    ("References", &[], &[], &[("File", 0, MANY)], true),
    ("File", &["href", "id"], &["size", "compression", "chunkSize"], &[], true),
    ("DiskSection", &[], &["required"], &[("Info", 1, 1), ("Disk", 0, MANY)], true),
    (
        "Disk",
        &["diskId", "capacity"],
        &["fileRef", "capacityAllocationUnits", "format", "populatedSize", "parentRef"],
        &[],
        true,
    ),
    ("NetworkSection", &[], &["required"], &[("Info", 1, 1), ("Network", 0, MANY)], true),
    ("Network", &["name"], &[], &[("Description", 0, 1)], false),
    ("VirtualSystem", &["id"], &[], &[("Info", 1, 1), ("Name", 0, 1), ("Section", 0, MANY)], false),
    (
        "OperatingSystemSection",
        &["id"],
        &["required", "version"],
        &[("Info", 1, 1), ("Description", 0, 1)],
        true,
    ),
    (
        "VirtualHardwareSection",
        &[],
        &["required", "id", "transport"],
        &[("Info", 1, 1), ("System", 0, 1), ("Item", 0, MANY)],
        true,
    ),
    ("System", &[], &[], SYSTEM, true),
    ("Item", &[], &["required", "configuration", "bound"], ITEM, true),
    ("Info", &[], &["msgid"], &[], false),
    ("Name", &[], &["msgid"], &[], false),
    ("Description", &[], &["msgid"], &[], false),
];

const SYSTEM: Sequence = &[
    ("AutomaticRecoveryAction", 0, 1),
    ("AutomaticShutdownAction", 0, 1),
    ("AutomaticStartupAction", 0, 1),
    ("Caption", 0, 1),
    ("ConfigurationID", 0, 1),
    ("CreationTime", 0, 1),
    ("Description", 0, 1),
    ("ElementName", 1, 1),
    ("InstanceID", 1, 1),
    ("Notes", 0, MANY),
    ("VirtualSystemIdentifier", 0, 1),
    ("VirtualSystemType", 0, 1),
];

const ITEM: Sequence = &[
    ("Address", 0, 1),
    ("AddressOnParent", 0, 1),
    ("AllocationUnits", 0, 1),
    ("AutomaticAllocation", 0, 1),
    ("AutomaticDeallocation", 0, 1),
    ("Caption", 0, 1),
    ("Connection", 0, MANY),
    ("ConsumerVisibility", 0, 1),
    ("Description", 0, 1),
    ("ElementName", 1, 1),
    ("HostResource", 0, MANY),
    ("InstanceID", 1, 1),
    ("Limit", 0, 1),
    ("MappingBehavior", 0, 1),
    ("OtherResourceType", 0, 1),
    ("Parent", 0, 1),
    ("PoolID", 0, 1),
    ("Reservation", 0, 1),
    ("ResourceSubType", 0, 1),
    ("ResourceType", 0, 1),
    ("VirtualQuantity", 0, 1),
    ("VirtualQuantityUnits", 0, 1),
    ("Weight", 0, 1),
];

/// What is wrong with a descriptor, or nothing.
pub fn check(text: &str) -> Result<(), String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if !root.has_tag_name((OVF, "Envelope")) {
        return Err(format!("the root is {:?}", root.tag_name()));
    }
    check_element(root)?;
    check_values(root)?;
    check_references(root)
}

fn check_element(node: Node) -> Result<(), String> {
    let name = node.tag_name().name();
    let rule = ELEMENTS.iter().find(|rule| rule.0 == name);
    let &(_, required, optional, sequence, open) = rule.ok_or(format!("unknown element {name}"))?;
    for attribute in node.attributes().filter(|found| found.namespace().is_none_or(|ns| ns == OVF))
    {
        let known = required.iter().chain(optional).any(|known| *known == attribute.name());
        if !known || attribute.namespace().is_none() {
            return Err(format!("unknown attribute {} of {name}", attribute.name()));
        }
    }
    if let Some(missing) = required.iter().find(|known| !node.has_attribute((OVF, **known))) {
        return Err(format!("{name} has no attribute {missing}"));
    }
    let children_namespace = match name {
        "System" => VSSD,
        "Item" => RASD,
        _ => OVF,
    };
    let mut children = node.children().filter(Node::is_element).peekable();
    for (child_name, least, most) in sequence {
        let mut count = 0;
        while let Some(child) = children.next_if(|child| {
            let found = child.tag_name();
            let sections = if name == "Envelope" { PACKAGE_SECTIONS } else { MACHINE_SECTIONS };
            let is_section = *child_name == "Section" && sections.contains(&found.name());
            (found.name() == *child_name || is_section)
                && found.namespace() == Some(children_namespace)
        }) {
            count += 1;
            if children_namespace == OVF {
                check_element(child)?;
            } else if child.children().any(|inner| inner.is_element()) {
                return Err(format!("{child_name} has children"));
            }
        }
        if count < *least || count > *most {
            return Err(format!("{count} {child_name} in {name}"));
        }
    }
    match children.find(|child| !open || child.tag_name().namespace() == Some(OVF)) {
        Some(child) => Err(format!("{} out of place in {name}", child.tag_name().name())),
        None => Ok(()),
    }
}

/// The types of values that the schema gives.
fn check_values(root: Node) -> Result<(), String> {
    for node in root.descendants().filter(Node::is_element) {
        let text = node.text().unwrap_or_default();
        let valid = match (node.tag_name().namespace(), node.tag_name().name()) {
            (Some(RASD), "ResourceType") => text.parse::<u16>().is_ok(),
            (Some(RASD), "VirtualQuantity" | "Reservation" | "Limit") => {
                text.parse::<u64>().is_ok()
            }
            (Some(RASD), "AutomaticAllocation" | "AutomaticDeallocation") => {
                ["true", "false", "0", "1"].contains(&text)
            }
            _ => true,
        };
        if !valid {
            return Err(format!("`{text}` for {}", node.tag_name().name()));
        }
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let valid = match name {
                "size" => value.parse::<u64>().is_ok(),
                "populatedSize" | "capacity" | "chunkSize" => value.parse::<i64>().is_ok(),
                "required" => ["true", "false", "0", "1"].contains(&value),
                "id" if node.has_tag_name((OVF, "OperatingSystemSection")) => {
                    value.parse::<u16>().is_ok()
                }
                _ => true,
            };
            if !valid {
                return Err(format!("`{value}` for {name}"));
            }
        }
    }
    Ok(())
}

/// What names something that must be there (DSP0243, not the schema).
fn check_references(root: Node) -> Result<(), String> {
    let attributes = |element: &str, name: &str| -> Vec<String> {
        let elements = root.descendants().filter(|node| node.has_tag_name((OVF, element)));
        elements.filter_map(|node| node.attribute((OVF, name))).map(str::to_owned).collect()
    };
    let texts = |name: &str| -> Vec<String> {
        let elements = root.descendants().filter(|node| node.has_tag_name((RASD, name)));
        elements.filter_map(|node| node.text()).map(str::to_owned).collect()
    };
    let disks: Vec<_> =
        attributes("Disk", "diskId").iter().map(|id| format!("ovf:/disk/{id}")).collect();
    for (what, used, known) in [
        ("file", attributes("Disk", "fileRef"), attributes("File", "id")),
        ("disk", texts("HostResource"), disks),
        ("network", texts("Connection"), attributes("Network", "name")),
        ("parent", texts("Parent"), texts("InstanceID")),
    ] {
        if let Some(missing) = used.iter().find(|name| !known.contains(name)) {
            return Err(format!("no {what} `{missing}`"));
        }
        if known.iter().collect::<BTreeSet<_>>().len() != known.len() {
            return Err(format!("the same {what} twice"));
        }
    }
    Ok(())
}
