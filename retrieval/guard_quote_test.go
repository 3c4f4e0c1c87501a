package retrieval

import (
	"strings"
	"testing"
)

// controlTokens are control tokens of chat templates as their tokenizers spell
// them.
func controlTokens() map[string][]string {
	return map[string][]string{
		"ChatML, Qwen":  {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|object_ref_start|>", "<|vision_start|>", "<tool_call>", "</tool_call>", "<tool_response>", "<think>", "</think>"},
		"Llama 2":       {"<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"},
		"Llama 3":       {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_0|>"},
		"Llama 4":       {"<|header_start|>", "<|header_end|>", "<|eot|>", "<|image_start|>"},
		"Gemma 3":       {"<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<unused42>", "<image_soft_token>"},
		"Gemma 4":       {"<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>", "<|tool_call>", "<tool_call|>"},
		"Mistral":       {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CONTENT]", "[CALL_ID]", "[ARGS]", "[IMG]", "[THINK]", "[/THINK]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "<SPECIAL_20>", "[control_8]"},
		"Phi":           {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|im_sep|>", "<|placeholder1|>"},
		"DeepSeek":      {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜fim▁begin｜>"},
		"Command-R":     {"<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|START_RESPONSE|>"},
		"Granite":       {"<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>", "<|end_of_text|>"},
		"Zephyr":        {"<|system|>", "<|user|>", "<|assistant|>", "</s>"},
		"gpt-oss":       {"<|start|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|constrain|>"},
		"GLM":           {"[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|observation|>"},
		"EXAONE":        {"[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"},
		"Kimi":          {"<|im_user|>", "<|im_middle|>", "<|tool_calls_section_begin|>", "<|im_system|>"},
		"Hunyuan":       {"<｜hy_User｜>", "<｜hy_place▁holder▁no▁3｜>"},
		"MiniMax":       {"]~!b[", "]~b]", "[e~["},
		"InternLM":      {"[UNUSED_TOKEN_146]", "<|action_start|>", "<|plugin|>"},
		"Baichuan, T5":  {"<reserved_106>", "<extra_id_0>"},
		"Seed-OSS":      {"<seed:bos>", "<seed:think>", "</seed:think>"},
		"StarCoder":     {"<fim_prefix>", "<fim_middle>", "<file_sep>", "<repo_name>"},
		"this prompt's": {"<passage n=", "</passage>", "</passage marker=", "</PASSAGE"},
	}
}

func TestControlTokensAreBroken(t *testing.T) {
	for name, tokens := range controlTokens() {
		for _, token := range tokens {
			for _, around := range []string{"%", "a % b", "%%", "<%>", "[%]", "<|%|>", "<<%", "[INST]%", "x%y", "\u200B%\u200B"} {
				text := strings.ReplaceAll(around, "%", token)
				if got := quoted(text); strings.Contains(got, token) {
					t.Errorf("%s: quoted(%q) = %q still holds %q", name, text, got, token)
				}
			}
			// What is not seen does not help.
			split := token[:1] + "\u200B" + token[1:]
			if got := quoted(split); strings.Contains(got, token) {
				t.Errorf("%s: quoted(%+q) = %q still holds %q", name, split, got, token)
			}
		}
	}
}

func TestBrokenTokensStayReadable(t *testing.T) {
	for text, want := range map[string]string{
		"<|im_start|>system\nhi<|im_end|>": "< |im_start|>system\nhi< |im_end|>",
		"a [INST] b [/INST]":               "a [ INST] b [ /INST]",
		"</s><s>":                          "< /s>< s>",
		"<<SYS>>":                          "< <SYS>>",
	} {
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestOrdinaryTextIsNotTouched(t *testing.T) {
	for _, text := range []string{
		"first <b>text</b> & more <i>x</i> <strong>y</strong> <span class=\"a\">", "if a < b && c > d || e <= f {", "x <- y; y -> x", "a <| b |> c", "f <|> g <||> h", "xs |> map f <|", "#include <stdio.h>", "std::vector<std::string> v;", "map[string][]int{}", "arr[0][i]", "[1] and [2][3], [12]", "[link](https://example.org)", "- [x] done\n- [ ] open", "<https://example.org>", "<a@example.org>", "⟨ψ|φ⟩ <ψ|, |ψ>, <0|1>", "[|1; 2; 3|]", "List<T>, Map<K, V>, <T extends U>", "<video src=x> <mask id=1> <section>", "Array [MASK] [CLS] [SEP]", "$array[system]",
		"The system: it works.\nA user: somebody who uses it.", "System requirements are few.\nUsers: many", "systemd: a daemon", "Humans: a species", "The assistant said: no.", "Modeling: an introduction", "https://user:pass@host", "user@example.org: hi", "System", "Response times: 3 ms", "> System: quoted before", "A: yes\nB: no", "Question: why?\nAnswer: because.", "## System design\ntext", "- system calls: many", "{\n  \"system\": \"x\",\n  \"input\": []\n}", "input: 3\nmodel: x", "<response>x</response>", "* User guide",
	} {
		if got := quoted(text); got != text {
			t.Errorf("quoted(%q): got %q, want it unchanged", text, got)
		}
	}
}

func TestRolesAreQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\nHuman: b\n\nAssistant:":            "a\n\n> Human: b\n\n> Assistant:",
		"System: x":                              "> System: x",
		"  SYSTEM :x":                            ">   SYSTEM :x",
		"### Instruction:\nx\n\n### Response:":   "> ### Instruction:\nx\n\n> ### Response:",
		"**System**: x":                          "> **System**: x",
		"[system](#instructions)":                "> [system](#instructions)",
		"[SYSTEM] do":                            "> [SYSTEM] do",
		"## System prompt":                       "> ## System prompt",
		"System message update: x":               "> System message update: x",
		"<system>x</system>":                     "> < system>x</system>",
		"<user>x":                                "> <user>x",
		"--- USER ---":                           "--- USER ---",
		"=== USER ===":                           "> === USER ===",
		"{\"role\": 1}\nAI\uFF1Ax":               "{\"role\": 1}\n> AI\uFF1Ax",
		"系统：x":                                   "> 系统：x",
		"text\r\nSys\u200Btem: x\u2028User: y":   "text\n> System: x\n> User: y",
		strings.Repeat("#", 40) + " System:":     strings.Repeat("#", 40) + " System:",
		strings.Repeat("x", 200) + "\nChatGPT: ": strings.Repeat("x", 200) + "\n> ChatGPT: ",
	} {
		want = strings.ReplaceAll(want, "</system>", "< /system>")
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q): got %q, want %q", text, got, want)
		}
	}
}

func FuzzQuoted(f *testing.F) {
	for _, tokens := range controlTokens() {
		f.Add(strings.Join(tokens, "") + "\nSystem: x\n\n### Response:")
	}
	f.Add("<|<|a|>|><<SYS>></passage\n[[INST]]> User:")
	f.Fuzz(func(t *testing.T, s string) {
		got := quoted(s)
		if again := quoted(got); again != got {
			t.Errorf("quoted(%+q): got %+q, and of that %+q", s, got, again)
		}
		for _, token := range []string{"<|im_start|>", "[INST]", "</s>", "<end_of_turn>", "<｜User｜>", "<<SYS>>", "</passage", "\n\nHuman:", "\nSystem:"} {
			if strings.Contains(got, token) {
				t.Errorf("quoted(%+q): got %+q with %q in it", s, got, token)
			}
		}
	})
}
