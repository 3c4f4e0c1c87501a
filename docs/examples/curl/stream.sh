curl -N http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d '{
  "model": "gpt-4o-mini", "stream": true, "rag": {"events": "all"},
  "messages": [{"role": "user", "content": "What is task decomposition?"},
               {"role": "assistant", "content": "Breaking a task into steps."},
               {"role": "user", "content": "What are some common ways of doing it?"}]}'
