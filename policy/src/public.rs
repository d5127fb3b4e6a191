//! Whether a bucket's policy makes it public (AWS: "The meaning of public").

use crate::condition::{Condition, Operands, Quantifier};
use crate::decision::Effect;
use crate::document::{Policy, Principals, Statement};
use crate::key::KeyName;
use crate::principals::PrincipalPattern;

/// The shortest network prefixes that are not the whole world, as AWS counts: an /8 is still somebody's.
const NARROW: (u8, u8) = (8, 32);

impl Policy {
    /// Whether it allows something to everybody: an `Allow` to `*` that no condition narrows to fixed principals or networks.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }
}

impl Statement {
    fn is_public(&self) -> bool {
        let everybody = match &self.principals {
            Principals::Attached => false,
            Principals::Of(patterns) => patterns.contains(&PrincipalPattern::Everybody),
            Principals::AllBut(_) => true,
        };
        self.effect == Effect::Allow && everybody && !self.conditions.iter().any(Condition::names_somebody)
    }
}

impl Condition {
    /// Whether it lets through only who is named by fixed values.
    fn names_somebody(&self) -> bool {
        let operator = self.operator;
        if operator.negated || operator.if_exists || operator.quantifier == Quantifier::All {
            return false;
        }
        match (&self.operands, self.key.name) {
            (Operands::Networks(networks), KeyName::SourceIp) => networks.iter().all(|network| match network {
                ipnet::IpNet::V4(network) => network.prefix_len() >= NARROW.0,
                ipnet::IpNet::V6(network) => network.prefix_len() >= NARROW.1,
            }),
            (
                Operands::Texts(values)
                | Operands::TextsInAnyCase(values)
                | Operands::Patterns(values)
                | Operands::Arns(values),
                KeyName::Username
                | KeyName::UserId
                | KeyName::PrincipalArn
                | KeyName::PrincipalTag
                | KeyName::Groups
                | KeyName::Roles
                | KeyName::Issuer
                | KeyName::Jwt,
            ) => values.iter().all(crate::template::Template::is_fixed),
            _ => false,
        }
    }
}
