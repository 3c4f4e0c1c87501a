package proxy

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/retrieval"
)

// degradedHeader names the stages that failed, as "degraded" does in the
// events. An answer whose headers were gone before has it not.
const degradedHeader = "X-Rag-Degraded"

func tellDegraded(c *gin.Context, stages []string) {
	if len(stages) > 0 && !c.Writer.Written() {
		c.Header(degradedHeader, strings.Join(stages, ","))
	}
}

// logDegraded puts into the log line what failed, and why.
func logDegraded(c *gin.Context, stages []string, causes []error) {
	attrs := []slog.Attr{slog.String("degraded", strings.Join(stages, ","))}
	if len(causes) > 0 {
		attrs = append(attrs, slog.String("cause", errors.Join(causes...).Error()))
	}
	c.Set(logKey, attrs)
}

// stageFailed tells that a stage failed whose policy is to fail; any other
// error stays what it is.
func stageFailed(c *gin.Context, err error) error {
	var failed *retrieval.StageFailed
	if !errors.As(err, &failed) {
		return err
	}
	tellDegraded(c, []string{failed.Leg})
	logDegraded(c, []string{failed.Leg}, []error{failed.Err})
	key := "degrade." + failed.Stage
	return &Error{
		Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "stage_failed", Param: key,
		Message: failed.Stage + " failed (" + failed.Err.Code + ": " + failed.Err.Message + "), and " + key +
			" says that there is no answer without it: ask again later, or set " + key + ": continue",
		Err: failed.Err,
	}
}
