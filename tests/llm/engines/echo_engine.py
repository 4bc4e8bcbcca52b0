"""An engine that says the last words of its prompt again."""

import json

from hnlm_ray.llm.engines.base import EngineKind, Generated, estimated_tokens, settings_of


class EchoEngine:
    """Answers each field that is asked for with the prompt's last words."""

    async def generate(self, request):
        said = request.messages[-1]["content"][-20:]
        return Generated(json.dumps(dict.fromkeys(request.expected.fields, said)), estimated_tokens(request), 5)

    async def restart(self):
        pass

    def shutdown(self):
        pass


ECHO_KIND = EngineKind(
    identity=lambda llm: "echo@1",
    content=lambda llm: settings_of(llm, "engine", "max_attempts"),
    check=lambda llm: None,
    checkpoint=lambda llm: None,
    server=lambda llm: None,
    environment=lambda llm: {"ECHO": "1"},
    at_once=lambda llm: 8,
    slots=lambda llm: 8,
    prompt_tokens=lambda llm: estimated_tokens,
    open=lambda llm, seed: EchoEngine(),
    bounds_its_waits=False,
    has_a_model=True,
    may_bill=False,
)
