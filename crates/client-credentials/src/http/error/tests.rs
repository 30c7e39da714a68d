use credentials::assertion::AssertionDefect;
use credentials::client::{ClientDefect, ClientKeyDefect};
use credentials::form::FormDefect;
use credentials::grant::GrantRefusal;
use credentials::key::ring::RefusedStep;
use credentials::{RandomError, StoreError};
use jose::{AccessTokenRejection, KeyDefect, SealError, SignError, SignatureDefect, SigningKeyError};

use crate::administer_clients::Privileged;
use crate::authenticate_client::{AssertionRefusal, CredentialDefect};
use crate::client_keys::{JwksUriDefect, KeysUnknown, RegisterKeysError};
use crate::rate_limit::LimitReached;
use crate::registration_tokens::AdmissionError;
use crate::revocations::RevokeError;
use crate::signing_keys::{KeyStepError, NoSigner};
use crate::slow_work::Busy;

use super::*;

fn down() -> StoreError {
    StoreError::Unavailable("hunter2: connection refused".into())
}

const REACHED: LimitReached = LimitReached { limit: "registrations", retry_after_seconds: 7 };

/// Every refusal once.
fn every_refusal() -> Vec<Refusal> {
    use ClientRequestDefect as Client;
    use TokenRequestDefect as Token;
    let mut all = vec![
        Refusal::NoSuchPath,
        Refusal::MethodNotAllowed { allowed: "GET, HEAD".to_owned() },
        Refusal::Overloaded(NoPlace),
    ];
    all.extend(
        [
            BodyError::TooLarge(64 * 1024),
            BodyError::TooSlow,
            BodyError::Broken,
            BodyError::NoRoom,
            BodyError::Encoded,
        ]
        .map(Refusal::from),
    );
    for defect in [JsonBodyDefect::ContentType, JsonBodyDefect::NotAnObject] {
        all.extend([
            Refusal::RegistrationBody(defect),
            Refusal::ReplacementBody(defect),
            Refusal::InitialTokenBody(defect),
            Refusal::PatchBody(defect),
        ]);
    }
    let bearer = [BearerDefect::Missing, BearerDefect::Several, BearerDefect::Malformed];
    all.extend(bearer.map(Refusal::from));
    all.push(WrongToken.into());
    all.push(MissingPermission("gettone:clients:read").into());
    let forms = [FormDefect::TooManyParameters, FormDefect::Encoding, FormDefect::Repeated];
    all.extend(forms.map(|defect| Client::Form(defect).into()));
    all.extend(forms.map(|defect| ManagementRequestDefect::Query(defect).into()));
    all.extend(
        [
            Client::NotAForm,
            Client::CredentialsInQuery,
            Client::SeveralAuthorizations,
            Client::SeveralMethods,
            Client::SeveralAssertions,
            Client::IncompleteAssertion,
        ]
        .map(Refusal::from),
    );
    all.extend(
        [Token::GrantTypeMissing, Token::GrantTypeUnsupported, Token::ScopeMalformed].map(Refusal::from),
    );
    all.extend(
        [
            ManagementRequestDefect::UnknownParameter(&["limit", "metadata."]),
            ManagementRequestDefect::Empty("metadata."),
            ManagementRequestDefect::Value { name: "force", allowed: "true or false" },
            ManagementRequestDefect::UnknownMember("graceSeconds"),
            ManagementRequestDefect::Limit,
            ManagementRequestDefect::After,
            ManagementRequestDefect::IfMatch,
        ]
        .map(Refusal::from),
    );
    all.extend(around_registration());
    all.extend(unauthenticated().into_iter().map(Refusal::from));
    all.extend(ungranted().into_iter().map(Refusal::from));
    all.extend(
        [
            DescribeTokenError::Rejected(AccessTokenRejection::Signature(SignatureDefect::Mismatch)),
            DescribeTokenError::Revoked,
            DescribeTokenError::KeysUnknown(down()),
            DescribeTokenError::RevocationUnknown,
        ]
        .map(Refusal::from),
    );
    all.push(TooManyReaders.into());
    all.push(REACHED.into());
    all.extend(
        [
            IntrospectTokenError::Authenticate(CredentialDefect::Missing.into()),
            IntrospectTokenError::TokenMissing,
            IntrospectTokenError::CannotKnow(DescribeTokenError::RevocationUnknown),
            IntrospectTokenError::Store(down()),
        ]
        .map(Refusal::from),
    );
    all.extend(
        [
            RevokeTokenError::Authenticate(CredentialDefect::Missing.into()),
            RevokeTokenError::TokenMissing,
            RevokeTokenError::NotTheirs,
            RevokeTokenError::KeysUnknown(down()),
            RevokeTokenError::Revoke(RevokeError::Full),
            RevokeTokenError::Revoke(RevokeError::Store(down())),
        ]
        .map(Refusal::from),
    );
    all.extend(
        [
            RegisterClientError::Client(ClientDefect::Missing("client_name")),
            RegisterClientError::Client(ClientDefect::RedirectUris),
            RegisterClientError::Client(ClientDefect::SoftwareStatementInvalid),
            RegisterClientError::Client(ClientDefect::SoftwareStatementUnapproved),
            RegisterKeysError::Key { place: None, defect: KeyDefect::ModulusSize }.into(),
            RegisterKeysError::Key { place: Some(2), defect: KeyDefect::Use }.into(),
            RegisterKeysError::Key { place: None, defect: KeyDefect::OpenSsl }.into(),
            RegisterKeysError::SameKid.into(),
            RegisterKeysError::Uri(JwksUriDefect::Inside).into(),
            RegisterKeysError::NoKeyOfAlgorithm.into(),
            RegisterKeysError::Busy(Busy).into(),
            RegisterKeysError::OurKey.into(),
            RegisterKeysError::Store(down()).into(),
            RegisterClientError::Privileged(Privileged),
            RegisterClientError::TooMany(REACHED),
            AdmissionError::WrongToken.into(),
            AdmissionError::UsedUp.into(),
            AdmissionError::Store(down()).into(),
            RegisterClientError::Duplicate,
            RegisterClientError::Taken,
            RegisterClientError::Store(down()),
            RegisterClientError::Random(RandomError),
        ]
        .map(Refusal::from),
    );
    all.extend(
        [KeyRequestDefect::Algorithm, KeyRequestDefect::Immediately, KeyRequestDefect::UnknownMember]
            .map(Refusal::from),
    );
    all.extend([JsonBodyDefect::ContentType, JsonBodyDefect::NotAnObject].map(Refusal::KeyBody));
    let steps = [
        KeyStepError::Refused(RefusedStep::Unknown),
        KeyStepError::Refused(RefusedStep::TooEarly { seconds_left: 7 }),
        KeyStepError::Refused(RefusedStep::LastActive),
        KeyStepError::Conflict,
        KeyStepError::Store(down()),
        KeyStepError::NotMade(SigningKeyError::OpenSsl),
        KeyStepError::NotSealed(SealError::Random(RandomError)),
        KeyStepError::NotSealed(SealError::OpenSsl),
    ];
    all.extend([AdministerKeysError::NotShared, AdministerKeysError::OwnKey].map(Refusal::from));
    all.extend(steps.map(|error| AdministerKeysError::from(error).into()));
    all.extend(
        [
            AdministerSecretsError::NoSecretMethod,
            AdministerSecretsError::Missing,
            AdministerSecretsError::TooMany,
            AdministerSecretsError::Last,
            AdministerSecretsError::Random(RandomError),
        ]
        .map(Refusal::from),
    );
    all.extend(
        [
            ClientKeyDefect::NoKeyMethod,
            ClientKeyDefect::PublishedElsewhere,
            ClientKeyDefect::SameKid,
            ClientKeyDefect::TooMany,
            ClientKeyDefect::Missing,
            ClientKeyDefect::Last,
        ]
        .map(|defect| Refusal::from(AdministerClientKeysError::from(defect))),
    );
    all.push(AdministerClientKeysError::from(RegisterKeysError::OurKey).into());
    all.extend([RecordError::Store(down()), RecordError::Random(RandomError)].map(Refusal::from));
    all.push(ReadAuditError::from(down()).into());
    all.extend(
        [
            AdministerClientsError::Missing,
            AdministerClientsError::Client(ClientDefect::NotChangeable),
            AdministerClientsError::Privileged(Privileged),
            AdministerClientsError::OtherVersion,
            AdministerClientsError::Conflict,
            AdministerClientsError::Store(down()),
        ]
        .map(Refusal::from),
    );
    all
}

/// Of a client that looks after its registration, and of an operator who lets others register.
fn around_registration() -> Vec<Refusal> {
    let mut all = vec![Refusal::RegistrationClosed];
    all.extend(
        [
            ManageRegistrationError::NotTheHolder,
            ManageRegistrationError::TooMany(REACHED),
            ManageRegistrationError::Client(ClientDefect::SecretChosen),
            ManageRegistrationError::Keys(RegisterKeysError::OurKey),
            ManageRegistrationError::Conflict,
            ManageRegistrationError::Remove(AdministerClientsError::Store(down())),
            ManageRegistrationError::Store(down()),
        ]
        .map(Refusal::from),
    );
    all.extend(
        [
            MakeTokenError::Member { member: "uses", most: 100 },
            MakeTokenError::UnknownMember,
            MakeTokenError::Store(down()),
            MakeTokenError::Random(RandomError),
        ]
        .map(Refusal::from),
    );
    all
}

fn unauthenticated() -> Vec<AuthenticateClientError> {
    let mut all: Vec<AuthenticateClientError> = [
        CredentialDefect::Missing,
        CredentialDefect::Malformed,
        CredentialDefect::MethodNotOffered,
        CredentialDefect::OtherClientId,
        CredentialDefect::UnknownClient,
        CredentialDefect::WrongMethod,
        CredentialDefect::WrongSecret,
        CredentialDefect::NotPublic,
    ]
    .map(AuthenticateClientError::from)
    .into();
    all.extend(
        [
            AssertionRefusal::UnknownType,
            AssertionRefusal::OtherClientId,
            AssertionRefusal::UnknownClient,
            AssertionRefusal::WrongMethod,
            AssertionRefusal::Invalid(AssertionDefect::Expired),
            AssertionRefusal::Signature(SignatureDefect::Mismatch),
            AssertionRefusal::NotPublic,
            AssertionRefusal::UsedBefore,
        ]
        .map(AuthenticateClientError::from),
    );
    all.push(KeysUnknown::NotFetched { retry_after_seconds: 42 }.into());
    all.push(KeysUnknown::TooManyFetches { retry_after_seconds: 5 }.into());
    all.push(NoPlace.into());
    all.push(AuthenticateClientError::from(Busy));
    all.push(AuthenticateClientError::TooManyWrongSecrets {
        defect: CredentialDefect::NotLookedAt,
        reached: REACHED,
    });
    all.push(AuthenticateClientError::TooManyWrongSecrets {
        defect: CredentialDefect::WrongSecret,
        reached: REACHED,
    });
    all.push(down().into());
    all
}

fn ungranted() -> Vec<IssueTokenError> {
    let mut all: Vec<IssueTokenError> = vec![
        GrantRefusal::InvalidTarget,
        GrantRefusal::ResourceMalformed,
        GrantRefusal::TooManyAudiences,
        GrantRefusal::InvalidScope,
        GrantRefusal::AudienceRequired,
        GrantRefusal::TooLarge,
        GrantRefusal::Random(RandomError),
    ]
    .into_iter()
    .map(IssueTokenError::from)
    .collect();
    all.extend([SignError::TooLong(9000), SignError::Claims, SignError::OpenSsl].map(IssueTokenError::from));
    all.push(NoSigner.into());
    all
}

/// One row of the table as text.
fn row(refusal: &Refusal, profile: Profile) -> String {
    let answer = answer(refusal, profile);
    let mut row = format!("{:?} | {} {} | {}", profile, answer.status.as_u16(), answer.code, answer.reason);
    let response = answer.into_response(refusal);
    for name in [WWW_AUTHENTICATE, RETRY_AFTER, ALLOW] {
        if let Some(value) = response.headers().get(&name) {
            row.push_str(&format!(" | {name}: {}", value.to_str().unwrap()));
        }
    }
    row
}

#[test]
fn every_refusal_in_both_profiles() {
    let mut table = String::new();
    for refusal in every_refusal() {
        table.push_str(&format!("{refusal:?}\n"));
        let [standard, drop_in] = [Profile::Standard, Profile::DropIn].map(|profile| row(&refusal, profile));
        table.push_str(&format!("    {standard}\n"));
        if standard.replace("Standard", "DropIn") != drop_in {
            table.push_str(&format!("    {drop_in}\n"));
        }
        table.push_str(&format!("    {}\n", answer(&refusal, Profile::Standard).sentence));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn c_6749_22_sentences_hold_legal_characters_and_nothing_internal() {
    for refusal in every_refusal() {
        let sentence = answer(&refusal, Profile::Standard).sentence;
        assert!(
            sentence.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')),
            "{sentence}"
        );
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}
