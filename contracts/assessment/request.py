"""The request event of an assessment, `els.cj_assessment.requested.v1`. Unknown fields and values that the assessment
does not need are ignored; everything else that is wrong is an error that names its field.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from contracts.assessment.metadata import ForeignTime, SystemProcessingMetadata, system_metadata_from
from contracts.base import Outgoing
from contracts.enums import LLMBatchingMode, OutputVerbosity, ReasoningEffort
from contracts.http import WHOLE

#: Where a request's prompt is in `student_prompt_ref.references`.
STUDENT_PROMPT = "student_prompt_text"

Text = Annotated[str, Field(min_length=1)]


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _hint(value: Any) -> Any:
    """A hint that names no batching mode is no hint."""
    return value if (value := _lower(value)) in set(LLMBatchingMode) else None


class EssayProcessingInputRefV1(Outgoing):
    """An essay of a request, and where its text is."""

    essay_id: Annotated[Text, Field(max_length=36)]
    """The caller's id of the essay."""
    text_storage_id: Annotated[Text, Field(max_length=256)]
    """Id of the text in the content store."""


class StorageReference(Outgoing):
    """Where a text is."""

    storage_id: Annotated[Text, Field(max_length=256)]
    """Id of the text in the content store."""
    path: str | None = None
    """Not used."""


class StorageReferenceMetadata(Outgoing):
    """The texts that a request refers to, by their kind."""

    references: dict[str, StorageReference] = {}
    """Kind of text → where it is. `student_prompt_text` is the task that the students were given."""


class CJLLMConfigOverrides(Outgoing):
    """How a request wants its comparisons judged."""

    provider_override: str | None = None
    """Provider of the comparisons."""
    model_override: Annotated[Text, Field(max_length=200)] | None = None
    """Model of the comparisons."""
    temperature_override: Annotated[float, Field(ge=0, le=2)] | None = None
    """Temperature of the model; 0.0 is a temperature."""
    max_tokens_override: Annotated[int, Field(gt=0), WHOLE] | None = None
    """Most tokens of an answer."""
    system_prompt_override: str | None = None
    """System prompt in place of the default one."""
    judge_rubric_override: str | None = None
    """Rubric in place of the assignment's, unless that is a national one."""
    reasoning_effort: Annotated[ReasoningEffort, BeforeValidator(_lower)] | None = None
    """How much the model thinks."""
    output_verbosity: Annotated[OutputVerbosity, BeforeValidator(_lower)] | None = None
    """How much the model writes."""


class BatchConfigOverrides(Outgoing):
    """How a request wants its comparisons submitted."""

    batch_size: Annotated[int, Field(ge=10, le=200), WHOLE] | None = None
    """Comparisons in one submission."""
    max_concurrent_batches: Annotated[int, Field(ge=1, le=5), WHOLE] | None = None
    """Submissions whose comparisons are not judged yet."""
    partial_completion_threshold: Annotated[float, Field(ge=0.5, le=1)] | None = None
    """Share of a round's comparisons that is enough to score it when the others do not come."""
    llm_batching_mode_override: Annotated[LLMBatchingMode, BeforeValidator(_lower)] | None = None
    """How the comparison service batches the calls."""


class RequestOptions(Outgoing):
    """What the `metadata` of a request's envelope says about the assessment."""

    max_comparisons: Annotated[int, Field(gt=0), WHOLE] | None = None
    """Most comparisons of the assessment."""
    batch_config_overrides: BatchConfigOverrides = BatchConfigOverrides()
    """How to submit the comparisons."""
    llm_batching_mode_hint: Annotated[LLMBatchingMode | None, BeforeValidator(_hint)] = None
    """How the comparison service should batch the calls, if `llm_batching_mode_override` does not say it."""
    traceparent: str | None = None
    """W3C trace context."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: Any) -> Any:
        return {key: value for key, value in values.items() if value is not None} if _mapping(values) else values

    @property
    def batching_mode(self) -> LLMBatchingMode | None:
        return self.batch_config_overrides.llm_batching_mode_override or self.llm_batching_mode_hint


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


class ELS_CJAssessmentRequestV1(Outgoing):  # noqa: N801 - its name in the services that send it
    """Asks for an assessment of a set of essays."""

    event_name: str = "els.cj_assessment.requested"
    """Name of the event."""
    entity_id: Text
    """The caller's batch id."""
    entity_type: str | None = None
    """The kind of entity, normally `batch`."""
    parent_id: str | None = None
    """Repeated in the events of the assessment."""
    timestamp: ForeignTime | None = None
    """When the request was made."""
    system_metadata: Annotated[SystemProcessingMetadata, BeforeValidator(system_metadata_from)] | None = None
    """Repeated in the events of the assessment."""
    essays_for_cj: Annotated[list[EssayProcessingInputRefV1], Field(min_length=1)]
    """The students' essays. An essay that is listed twice with the same text counts once."""
    language: Annotated[Text, Field(max_length=10)]
    """Language of the essays, for example `en` or `sv`."""
    course_code: Text
    """Course of the essays, for example `ENG5`."""
    student_prompt_ref: StorageReferenceMetadata | None = None
    """Where the task is that the students were given. Not used with an assignment_id."""
    llm_config_overrides: CJLLMConfigOverrides = CJLLMConfigOverrides()
    """How to judge the comparisons."""
    assignment_id: Annotated[str, Field(max_length=100)] | None = None
    """Stored assignment with instructions, rubric, prompt, grade scale and anchors."""
    user_id: str
    """The user whom the comparisons are billed to."""
    org_id: str | None = None
    """The user's organisation."""

    @model_validator(mode="before")
    @classmethod
    def _default_overrides(cls, values: Any) -> Any:
        if _mapping(values) and values.get("llm_config_overrides", ...) is None:
            return {key: value for key, value in values.items() if key != "llm_config_overrides"}
        return values

    @model_validator(mode="after")
    def _one_text_each(self) -> Self:
        texts: dict[str, str] = {}
        for essay in self.essays_for_cj:
            if texts.setdefault(essay.essay_id, essay.text_storage_id) != essay.text_storage_id:
                raise ValueError("essays_for_cj: an essay_id is there twice, with two texts")
        return self

    @property
    def essays(self) -> dict[str, str]:
        """essay_id → text_storage_id, in the order of the request."""
        return {essay.essay_id: essay.text_storage_id for essay in self.essays_for_cj}

    @property
    def student_prompt_storage_id(self) -> str | None:
        reference = self.student_prompt_ref and self.student_prompt_ref.references.get(STUDENT_PROMPT)
        return reference.storage_id if reference else None
